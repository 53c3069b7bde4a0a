"""What machine and versions a figure was measured on; goes into every result file."""

import json
import math
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

NVIDIA_SMI = "nvidia-smi"
RESULTS = Path(__file__).parent / "results"
_ROOT = Path(__file__).parents[1]
PACKAGES = (
    "torch",
    "transformers",
    "vllm",
    "ray",
    "rensa",
    "sympy",
    "math-verify",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "sqlalchemy",
    "usearch",
)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def visible_gpus(fields: str) -> list[tuple[str, ...]]:
    """The index of each GPU that this process may use, and these fields of nvidia-smi's.

    CUDA_VISIBLE_DEVICES is read as CUDA does, with indices in nvidia-smi's order; a slice of a GPU
    (MIG) is not told. Empty where there is no GPU, or the tool fails.
    """
    command = [NVIDIA_SMI, f"--query-gpu=index,uuid,{fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [tuple(cell.strip() for cell in line.split(",")) for line in done.stdout.splitlines()]
    rows = [row for row in lines if len(row) == 3 + fields.count(",")]  # others are remarks
    return [(row[0], *row[2:]) for row in _chosen(rows, os.environ.get("CUDA_VISIBLE_DEVICES"))]


def _chosen(rows: list[tuple[str, ...]], wanted: str | None) -> list[tuple[str, ...]]:
    """Of rows that begin with index and UUID, those wanted; a UUID may be its beginning only."""
    if wanted is None:
        return rows
    chosen: list[tuple[str, ...]] = []
    for word in map(str.strip, wanted.split(",")):
        by_uuid = word.startswith("GPU-")
        found = [row for row in rows if (row[1].startswith(word) if by_uuid else row[0] == word)]
        if not found:  # CUDA sees none of those that follow
            break
        chosen += found
    return chosen


def _gpus() -> dict[str, str]:
    """Those that this process may use, their driver, and the CUDA of PyTorch where it is loaded."""
    rows = visible_gpus("driver_version,name,memory.total")
    kinds = Counter(f"{name}, {memory} MiB" for _, _, name, memory in rows)
    told = {}
    if rows:
        told["gpus"] = "; ".join(f"{count} x {kind}" for kind, count in kinds.items())
        told["gpu_driver"] = rows[0][1]
    cuda = getattr(getattr(sys.modules.get("torch"), "version", None), "cuda", None)
    return {**told, "cuda": str(cuda)} if cuda else told


def describe_environment() -> dict[str, str]:
    """CPU, GPUs, versions, commit and the command that was typed, without this machine's paths."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        **_gpus(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **versions,
        "commit": _commit(),
        "command": command_line(["python -m", *_module(), *sys.argv[1:]]),
    }


def command_line(words: Sequence[str]) -> str:
    """The words as one line; a path outside the repository is only called DIR or FILE."""
    return " ".join(_without_path(word) for word in words)


def _without_path(word: str) -> str:
    option, equals, value = word.rpartition("=")
    path = Path(value)
    if not path.is_absolute():
        return word
    if path.is_relative_to(_ROOT):
        return f"{option}{equals}{path.relative_to(_ROOT)}"
    return f"{option}{equals}{'FILE' if path.suffix and not path.is_dir() else 'DIR'}"


def write_result(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as valid JSON: what is no finite number is null, other objects their text."""
    text = json.dumps(_plain(report), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _module() -> list[str]:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return [spec.name] if spec else [sys.argv[0]]
