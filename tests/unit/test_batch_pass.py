"""One pass over a dataset: every row comes out once, and a run that was broken off goes on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from workers.batch import main
from workers.batch_config import GenerateConfig
from workers.errors import EngineUnavailableError
from workers.inputs import Placed
from workers.plain_pass import FAILING_ROWS, Chunk, PassWorker, _refuse_failing, seed_for
from workers.recipes import SHIPPED

SHEET = "Name: River {n}\nKind: river\nLength: {n} km\nCountry: Norrland"
COUNT = 12
RunJob = Callable[..., int]


@pytest.fixture
def run_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunJob:
    """Runs a job in this test's folder, with rules only and the scripted engine; its exit code."""
    monkeypatch.chdir(tmp_path)
    sheets = [{"id": f"s{n}", "text": SHEET.format(n=100 + n)} for n in range(COUNT)]
    (tmp_path / "sheets.jsonl").write_text("\n".join(map(json.dumps, sheets)))

    def run(**job: Any) -> int:
        models = job.pop("models", {"fake": {"kind": "scripted", "wrong_rate": 0.5}})
        graders = {"consistency": {"model": None}}
        config = {"out": "out", "models": models, "graders": graders, **job}
        (tmp_path / "job.yaml").write_text(json.dumps(config))
        return main(["job.yaml"])

    return run


def written(kind: str) -> list[dict[str, Any]]:
    parts = sorted(Path("out", kind).glob("*.parquet"))
    return [row for part in parts for row in pyarrow.parquet.read_table(part).to_pylist()]


GENERATE = {
    "mode": "generate", "recipe": "essay", "sources": {"path": "sheets.jsonl"}, "rows_per_part": 5,
}  # fmt: skip


def test_each_source_gets_one_gated_candidate_with_its_own_seed(run_job: RunJob) -> None:
    assert run_job(**GENERATE) == 0
    data, rejects = written("data"), written("rejects")
    assert sorted(row["id"] for row in data + rejects) == sorted(f"s{n}" for n in range(COUNT))
    assert data and rejects and all(row["reasons"] for row in rejects)
    assert all(row["seed"] == seed_for(0, row["id"]) for row in data)
    assert set(json.loads(data[0]["fields"])) == {"thesis", "essay"}
    assert {"form", "consistency"} == {grade["grader"] for grade in data[0]["grades"]}


def test_a_text_that_nobody_could_grade_has_failed_and_is_not_rejected(
    run_job: RunJob, tmp_path: Path
) -> None:
    german = "Der Fluss entspringt im Norden und mündet nach vielen Tagen in das kalte Meer. "
    prose = [{"id": f"p{n}", "text": german * (n + 1)} for n in range(3)]
    (tmp_path / "prose.jsonl").write_text("\n".join(map(json.dumps, prose)))
    graders = {"consistency": {"judge": False}}
    run_job(**{**GENERATE, "sources": {"path": "prose.jsonl"}}, graders=graders)
    failed = [row for row in written("rejects") if row["outcome"] == "failed"]
    assert written("data") == [] and failed
    assert all(row["error"].startswith("ungraded: consistency") for row in failed)


def test_a_run_goes_on_where_it_was_and_repeats_nothing(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_job(**GENERATE) == 0
    first = written("data") + written("rejects")
    parts = sorted(Path("out/_parts").glob("*.json"))
    kept = {part: part.stat().st_mtime_ns for part in parts[1:]}
    parts[0].unlink()
    capfd.readouterr()
    assert run_job(**GENERATE) == 0
    assert '"finished_parts":2' in capfd.readouterr().out
    assert {part: part.stat().st_mtime_ns for part in parts[1:]} == kept
    assert written("data") + written("rejects") == first


def test_rows_are_graded_by_the_columns_that_are_named(run_job: RunJob, tmp_path: Path) -> None:
    document = "Paris is the capital of France. It has 2 million people."
    rows = [
        {"key": 1, "reply": "Paris is the capital of France.", "document": document},
        {"key": 2, "reply": "Paris has 7 million people.", "document": document},
        {"key": 3, "document": document},
        {"key": 4, "reply": "Paris is the capital of France."},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = {"path": "rows.jsonl", "id": "key", "text": "reply", "source": "document"}
    assert run_job(mode="grade", rows=columns, rows_per_part=3) == 0
    assert [row["id"] for row in written("data")] == ["1"]
    rejects = {row["id"]: row for row in written("rejects")}
    assert rejects["2"]["reasons"][0].startswith("consistency: ")
    assert rejects["rows.jsonl:3"]["error"].startswith(
        "bad_row: rows.jsonl:3: there is no column 'reply'"
    )
    assert "there is no column 'document'" in rejects["rows.jsonl:4"]["error"]
    assert "4 candidates = 1 accepted + 1 rejected + 2 failed" in Path("out/README.md").read_text()


def test_rows_that_repeat_each_other_all_pass_for_novelty_is_not_judged(
    run_job: RunJob, tmp_path: Path
) -> None:
    text = "This is a text about nothing in particular."
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for _ in range(3)))
    assert run_job(mode="grade", rows={"path": "rows.jsonl"}) == 0
    assert [row["id"] for row in written("data")] == [f"rows.jsonl:{n}" for n in (1, 2, 3)]
    assert "Novelty was not judged" in Path("out/README.md").read_text()


def test_an_engine_that_fails_throughout_ends_the_pass_and_leaves_it_to_be_resumed(
    run_job: RunJob, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = {"fake": {"kind": "scripted", "failure_rate": 1.0}}
    assert run_job(**GENERATE, models=broken) == 1
    assert "the engine failed on every row of a part" in capfd.readouterr().err
    assert written("data") == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recipe": "sonnet"}, "unknown recipe 'sonnet'"),
        ({"sources": {"path": "none.jsonl"}}, "there is no such file"),
        ({"thresholds": {"truth": 1}}, "unknown grader 'truth'"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    run_job: RunJob, capfd: pytest.CaptureFixture[str], change: dict[str, Any], told: str
) -> None:
    assert run_job(**GENERATE | change) == 2
    error = capfd.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ({"graders_on": ["form"], "max_attempts": 5}, "backend: graders_on, max_attempts can only"),
        (
            {"grader_cpus": 2, "workers": 2},
            "backend: grader_cpus can only be set for `mode: b",
        ),
    ],
)
def test_an_option_of_the_cluster_that_no_pass_goes_by_is_refused(
    run_job: RunJob, capfd: pytest.CaptureFixture[str], backend: dict[str, Any], told: str
) -> None:
    assert run_job(**GENERATE, backend={"kind": "ray", **backend}) == 2
    error = capfd.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not Path("out").exists()


def test_a_recipe_of_json_is_refused_for_an_engine_that_can_not_see_to_it(
    run_job: RunJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom workers.recipes import SHIPPED\n"
        "RECIPE = replace(SHIPPED['essay'], name='mine', json_schema={'type': 'object'})\n"
    )
    job = GENERATE | {"recipe": "mine", "recipe_files": ["mine.py"]}
    assert run_job(**job, models={"tiny": {"kind": "transformers"}}) == 2
    assert "the recipe mine wants JSON" in capfd.readouterr().err


def test_relative_paths_are_refused_within_a_ray_job(
    run_job: RunJob, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert run_job(**GENERATE) == 2
    assert "out: out is relative" in capfd.readouterr().err


async def test_a_worker_needs_no_recipe_file_for_the_recipe_comes_with_the_job(
    tmp_path: Path,
) -> None:
    config = GenerateConfig.model_validate(
        {
            "mode": "generate",
            "recipe": "mine",
            "recipe_files": ["only/where/the/job/was/started.py"],
            "sources": {"path": "sheets.jsonl"},
            "models": {"fake": {"kind": "scripted", "wrong_rate": 0.0}},
            "graders": {"consistency": {"model": None}},
            "out": str(tmp_path / "out"),
        }
    )
    worker = PassWorker(config, {"mine": replace(SHIPPED["essay"], name="mine")})
    await worker.start()
    row = Placed("sheets.jsonl:1", {"id": "a", "text": SHEET.format(n=1)})
    counts = await worker.process(Chunk("part-0", (row,)))
    await worker.aclose()
    assert counts.accepted == 1


async def test_a_grader_that_fails_throughout_ends_the_pass_too() -> None:
    rows = [{"error": "grader_error: no grade within 300 s"}] * FAILING_ROWS
    with pytest.raises(EngineUnavailableError, match="a grader failed on every row of a part"):
        _refuse_failing(rows)
    _refuse_failing([*rows, {"error": None}])
    _refuse_failing(rows[1:])
