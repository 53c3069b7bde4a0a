"""How busy the GPUs are while a block runs, as NVIDIA's own tool tells it."""

import shutil
import subprocess
import threading
from types import TracebackType
from typing import Self

QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
EVERY_S = 0.5


class GpuWatch:
    """Samples every half second; `mean` is the share of time that kernels ran, over all GPUs.

    None where there is no GPU, or the block was over before the first sample.
    """

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if shutil.which(QUERY[0]):
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    @property
    def mean(self) -> float | None:
        """Between 0 and 1."""
        return sum(self._samples) / len(self._samples) if self._samples else None

    def _sample(self) -> None:
        while not self._over.wait(EVERY_S):
            done = subprocess.run(QUERY, capture_output=True, text=True, check=False)
            shares = [float(line) / 100 for line in done.stdout.split() if line.isdigit()]
            if shares:
                self._samples.append(sum(shares) / len(shares))
