"""How busy the GPUs are while a block runs, as NVIDIA's own tool tells it."""

import shutil
import threading
from types import TracebackType
from typing import Self

from benchmarks.environment import NVIDIA_SMI, visible_gpus

EVERY_S = 0.5


class GpuWatch:
    """Samples every half second the GPUs that this process may use."""

    def __init__(self) -> None:
        self._samples: dict[str, list[float]] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if shutil.which(NVIDIA_SMI):
            self._thread = threading.Thread(target=self._watch, daemon=True)
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

    def sample(self) -> None:
        """Ask once."""
        for gpu, percent in visible_gpus("utilization.gpu"):
            if percent.isdigit():
                self._samples.setdefault(gpu, []).append(int(percent) / 100)

    @property
    def busy(self) -> dict[str, float]:
        """Each GPU that worked, by its index, and the share of the time, 0 to 1, that it did.

        Empty where no sample found one at work, or the block was over before the first.
        """
        worked = {gpu: shares for gpu, shares in self._samples.items() if any(shares)}
        return {gpu: sum(shares) / len(shares) for gpu, shares in worked.items()}

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self.sample()
