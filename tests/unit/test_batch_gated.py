"""`mode: batch`: exactly N samples in the Parquet, over as many runs as it takes."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from service.cli import app
from workers.batch import main
from workers.store import SqlStore

COUNT = 20
JOB: dict[str, Any] = {
    "recipe": "problem_set",
    "count": COUNT,
    "sources": {"path": "topics.jsonl"},
    "models": {"fake": {"kind": "scripted"}},
    "graders": {"answers": {"resolutions": 0}},
    "out": "out",
    "database": "b.db",
}
RunJob = Callable[..., int]


@pytest.fixture
def write_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.chdir(tmp_path)
    topics = [{"id": f"t{n}", "text": f"apples and {n} baskets"} for n in range(4)]
    (tmp_path / "topics.jsonl").write_text("\n".join(map(json.dumps, topics)))

    def write(**change: Any) -> Path:
        path = tmp_path / "job.yaml"
        path.write_text(json.dumps(JOB | change))
        return path

    return write


@pytest.fixture
def run_job(write_job: Callable[..., Path]) -> RunJob:
    return lambda **change: main([str(write_job(**change))])


def samples() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table("out/data/samples.parquet").to_pylist()
    return rows


def batches() -> int:
    with contextlib.closing(SqlStore("sqlite:///b.db")) as store:
        return len(store.list_batches())


def test_a_job_writes_exactly_n_samples_and_says_so_in_its_card(run_job: RunJob) -> None:
    assert run_job() == 0
    assert len(samples()) == COUNT and len({row["text"] for row in samples()}) == COUNT
    card = Path("out/README.md").read_text()
    assert f"= {COUNT} accepted" in card and "completed (count_reached)" in card


def test_a_job_tells_what_it_cost_in_its_events_and_its_card(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job(price_per_engine_hour=3600.0, currency="EUR") == 0
    events = {
        event["event"]: event for event in map(json.loads, capfd.readouterr().out.split("\n")[:-1])
    }
    cost = events["cost"]
    assert cost["accepted"] == COUNT and cost["money"] == pytest.approx(cost["engine_seconds"])
    assert events["progress"].keys() >= {"engine_seconds", "money"}
    card = Path("out/README.md").read_text()
    assert f"- cost: {cost['completion_tokens']:,} tokens written" in card and "EUR" in card


def test_a_job_ends_when_its_money_is_spent(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job(count=500, budget={"max_money": 1e-9}, price_per_engine_hour=1.0) == 3
    assert "max_money" in capfd.readouterr().err


def test_the_same_file_is_the_same_batch_and_another_seed_another(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job() == run_job() == 0
    assert batches() == 1
    assert run_job(seed=1) == 2
    assert "another configuration" in capfd.readouterr().err
    assert run_job(seed=1, out="out2") == 0
    assert batches() == 2


def test_sources_that_changed_since_are_refused(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job() == 0
    Path("topics.jsonl").write_text('{"text": "pears"}')
    assert run_job() == 2
    assert "the sources have changed since this job began" in capfd.readouterr().err


def test_a_shortfall_ends_with_3_and_writes_what_there_is(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job(budget={"max_candidates": 5}) == 3
    assert "max_candidates" in capfd.readouterr().err
    assert 0 < len(samples()) <= 5


def test_a_shortfall_that_is_not_allowed_writes_no_samples(run_job: RunJob) -> None:
    assert run_job(budget={"max_candidates": 5}, on_exhausted="fail") == 3
    assert not Path("out/data/samples.parquet").exists()


def test_thresholds_are_for_graders_of_the_recipe(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job(thresholds={"judge": 0.5}) == 2
    assert "'judge' is no grader of problem_set" in capfd.readouterr().err
    assert not Path("b.db").exists()


def test_the_command_prints_an_example_and_asks_for_a_file() -> None:
    shown = CliRunner().invoke(app, ["batch", "--example"])
    assert shown.exit_code == 0 and shown.stdout.startswith("# winnow batch config.yaml")
    assert CliRunner().invoke(app, ["batch"]).exit_code == 2
    missing = CliRunner().invoke(app, ["batch", "none.yaml"])
    assert missing.exit_code == 2
