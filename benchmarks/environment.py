"""What machine and versions a figure was measured on; goes into every result file."""

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

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


def describe_environment() -> dict[str, str]:
    """CPU, cores, versions, commit and the command that was typed, without this machine's paths."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
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
