"""The measures as Hugging Face `evaluate` modules, loaded by path with the network switched off."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evaluate
import pytest

ROOT = Path(__file__).parent.parent.parent
METRICS = ROOT / "graders" / "metrics"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """`evaluate.load` with the modules of this checkout; predictions stay in the test's folder."""
    monkeypatch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)

    def load(name: str) -> Any:
        return evaluate.load(str(METRICS / name), cache_dir=str(tmp_path))

    return load


def test_gate_quality_loads_by_path(load: Any) -> None:
    module = load("gate_quality")
    found = module.compute(
        predictions=[0.9, 0.8, 0.8, 0.4, 0.1], references=[1, 1, 0, 1, 0], threshold=0.5
    )
    assert found["auroc"] == pytest.approx(4.5 / 6)
    assert found["risk"] == pytest.approx(1 / 3)
    assert found["coverage"] == pytest.approx(3 / 5)
    assert found["risk_coverage"]["coverage"][-1] == 1
    assert "intervals" not in found


def test_gate_quality_gives_intervals_over_sources(load: Any) -> None:
    found = load("gate_quality").compute(
        predictions=[0.9, 0.2, 0.8, 0.4, 0.1, 0.7],
        references=[1, 0, 0, 1, 0, 1],
        sources=["a", "a", "b", "b", "c", "c"],
        rounds=50,
    )
    low, high = found["intervals"]["auroc"]
    assert low <= found["auroc"] <= high


def test_gate_quality_refuses_one_class(load: Any) -> None:
    with pytest.raises(ValueError, match="all 2 texts are right"):
        load("gate_quality").compute(predictions=[0.1, 0.2], references=[1, 1])


def test_diversity_loads_by_path(load: Any) -> None:
    found = load("diversity").compute(predictions=["the cat sat", "a dog ran off"])
    assert found["distinct_1"] == 1
    assert found["self_bleu"] == 0
    assert found["vendi_score"] == pytest.approx(2)


def test_diversity_takes_embeddings_or_a_function(load: Any) -> None:
    texts = ["one", "two", "three"]
    given = load("diversity").compute(predictions=texts, embeddings=[[1, 0], [0, 1], [1, 1]])
    made = load("diversity").compute(
        predictions=texts, embed=lambda texts: [[1, 0], [0, 1], [1, 1]]
    )
    assert given == made
    with pytest.raises(ValueError, match="2 embeddings but 3 texts"):
        load("diversity").compute(predictions=texts, embeddings=[[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="not both"):
        load("diversity").compute(
            predictions=texts, embeddings=[[1], [1], [1]], embed=lambda texts: [[1]] * 3
        )


def test_the_modules_load_by_relative_path_in_a_fresh_process_without_network(
    tmp_path: Path,
) -> None:
    code = (
        "import socket, evaluate\n"
        "def refuse(*_, **__): raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse\n"
        "m = evaluate.load('graders/metrics/gate_quality')\n"
        "print(m.compute(predictions=[0.9, 0.1], references=[1, 0])['auroc'])\n"
        "d = evaluate.load('graders/metrics/diversity')\n"
        "print(d.compute(predictions=['a b', 'a b'])['vendi_score'])\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [round(float(line), 6) for line in done.stdout.split()] == [1.0, 1.0]
