"""What result files say of where they were measured, and that any reader can parse them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import RESULTS, command_line, describe_environment, write_result


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
