"""What result files say of where they were measured, and that any reader can parse them."""

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.environment import (
    NVIDIA_SMI,
    RESULTS,
    command_line,
    describe_environment,
    visible_gpus,
    write_result,
)


def test_a_command_tells_no_path_of_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    words = ["python -m", "benchmarks.x", "--data", str(tmp_path), f"--scores={file}", "--sets"]
    assert command_line(words) == "python -m benchmarks.x --data DIR --scores=FILE --sets"
    assert command_line(["--out", str(RESULTS), "rows/a.txt"]) == (
        "--out benchmarks/results rows/a.txt"
    )
    assert " /" not in describe_environment()["command"]


def test_a_result_is_valid_json(tmp_path: Path) -> None:
    report: dict[Any, Any] = {
        "a": math.nan,
        "b": [1.5, -math.inf],
        "c": np.int64(3),
        4: (np.float64("nan"), True),
    }
    write_result(tmp_path / "r.json", report)
    text = (tmp_path / "r.json").read_text()
    assert json.loads(text) == {"a": None, "b": [1.5, None], "c": 3, "4": [None, True]}


def test_results_that_ship_are_valid_json_without_paths_of_a_machine() -> None:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    for path in RESULTS.glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        command = found.get("environment", found).get("command", "")
        assert " /" not in command and "=/" not in command, path.name


SMI = """#!/bin/sh
case "$1" in
  *index,uuid,driver_version,name,memory.total)
    echo "0, GPU-aa11, 570.1, NVIDIA H100, 81559"; echo "1, GPU-ab22, 570.1, NVIDIA H100, 81559"
    echo "2, GPU-cc33, 570.1, NVIDIA L4, 23034";;
  *index,uuid,uuid) echo "0, GPU-aa11, A"; echo "1, GPU-ab22, B"; echo "2, GPU-cc33, C";;
esac
"""


def install_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this script answer for NVIDIA's tool, to a process that may use every GPU."""
    (folder / NVIDIA_SMI).write_text(script)
    (folder / NVIDIA_SMI).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_result_names_the_gpus_and_their_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_smi(tmp_path, SMI, monkeypatch)
    told = describe_environment()
    assert told["gpus"] == "2 x NVIDIA H100, 81559 MiB; 1 x NVIDIA L4, 23034 MiB"
    assert told["gpu_driver"] == "570.1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert describe_environment()["gpus"] == "1 x NVIDIA L4, 23034 MiB"


def test_a_result_names_the_cuda_of_a_loaded_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = SimpleNamespace(version=SimpleNamespace(cuda="12.8"))
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert describe_environment()["cuda"] == "12.8"
    torch.version.cuda = None
    assert "cuda" not in describe_environment()


@pytest.mark.parametrize(
    "script",
    [None, "#!/bin/sh\necho it has failed\nexit 9\n", "#!/bin/sh\necho No devices were found\n"],
)
def test_a_machine_without_a_gpu_names_none(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        install_smi(tmp_path, script, monkeypatch)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert not {"gpus", "gpu_driver"} & set(describe_environment())


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ("1, 0", "10"),
        ("GPU-ab,GPU-cc33", "12"),
        ("2,-1,0", "2"),
        ("", ""),
        ("MIG-aa11", ""),
    ],
)
def test_only_the_gpus_that_cuda_shows_this_process_are_asked(
    wanted: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_smi(tmp_path, SMI, monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", wanted)
    assert [row[0] for row in visible_gpus("uuid")] == list(seen)
