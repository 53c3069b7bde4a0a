"""The judge and the closed book where they run: in batches, in `grade`, over HTTP's error table."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from graders.base import Completion, Model
from graders.errors import GraderConfigError, JudgeUnhealthyError
from graders.form import FormGrader
from graders.gate import Gate
from graders.panel import Panel
from graders.row_grader import RowGrader
from graders.types import Candidate, Grade, Source
from service.assembly import open_backend, run_stored
from service.cli import app
from service.settings import Settings, load_settings
from workers.engines.pool import EnginePool
from workers.recipes import SHIPPED, load_recipe
from workers.store import SqlStore
from workers.types import BatchSpec, Status, StopReason

SHEET = "Name: Aldra\nLength: 412 km\nBridges: 31\nMouth: the Rimsee\nTowns: Orn and Vell"
SOURCES = (Source("a", SHEET),)
JUDGED = replace(load_recipe("essay"), name="judged", graders=("form", "judge"))
ASKED_AGAIN = replace(load_recipe("answer"), name="asked", graders=("form", "agreement"))
RECIPES = {**SHIPPED, "judged": JUDGED, "asked": ASKED_AGAIN}
CONFIG = """
[models.writer]
kind = "scripted"
[models.judge]
kind = "scripted"
model = "org/other"
[graders.judge]
model = "judge"
[graders.agreement]
model = "words"
"""


async def yes(
    prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
) -> list[Completion]:
    """A judge that finds everything supported."""
    return [Completion("Verdict: supported") for _ in prompts]


class YesMen(EnginePool):
    """Engines of which every one, as a judge, says yes."""

    def model(self, name: str) -> Model:
        return Model("org/yes", yes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(f"sqlite:///{tmp_path}/winnow.db")) as opened:
        yield opened


def settings_with(**graders: object) -> Settings:
    models = {"writer": {"kind": "scripted"}, "judge": {"kind": "scripted", "model": "org/other"}}
    return load_settings(models=models, graders=graders)


async def run(store: SqlStore, recipe: str, settings: Settings, engines: EnginePool) -> str:
    batch_id = store.create_batch(BatchSpec(recipe, 5, SOURCES, "writer"))[0].id
    try:
        backend = open_backend(settings, engines)
        await run_stored(batch_id, store, backend, settings, recipes=RECIPES)
    finally:
        await engines.aclose()
    return batch_id


async def test_a_batch_is_judged_by_the_model_that_is_named(store: SqlStore) -> None:
    settings = settings_with(judge={"model": "judge", "canary_rate": 0.5})
    engines = EnginePool(settings.models)
    record = store.get_batch(await run(store, "judged", settings, engines))
    assert record.status is Status.COMPLETED and record.progress.accepted == 5
    assert record.progress.rejected_by.keys() <= {"judge"}
    samples = store.samples(record.id)
    judged = [grade for row in samples for grade in row.grades if grade.grader == "judge"]
    assert len(judged) == 5 and all(grade.score == 1 for grade in judged)
    assert not any("own family" in item.reason for grade in judged for item in grade.evidence)


async def test_a_judge_that_fails_its_canaries_ends_the_batch(store: SqlStore) -> None:
    settings = settings_with(judge={"model": "judge", "canary_rate": 1})
    spec = BatchSpec("judged", 500, SOURCES, "writer")
    batch_id = store.create_batch(spec)[0].id
    engines = YesMen(settings.models)
    backend = open_backend(settings, engines)
    await run_stored(batch_id, store, backend, settings, recipes=RECIPES)
    await backend.aclose()
    record = store.get_batch(batch_id)
    assert (record.status, record.stop_reason) == (Status.FAILED, StopReason.JUDGE_UNHEALTHY)
    assert "known-bad: 0 of" in record.message and "graders.judge.model" in record.message
    progress = record.progress
    rows = len(store.samples(batch_id)) + len(store.rejects(batch_id))
    assert progress.accepted + progress.rejected + progress.failed == rows < 500
    assert all("judge_unhealthy" in row.error for row in store.rejects(batch_id) if row.error)


async def test_a_judge_that_is_not_configured_is_named_before_anything_is_drawn(
    store: SqlStore,
) -> None:
    settings = settings_with(judge={"model": "gone"})
    with pytest.raises(GraderConfigError, match=r"no model 'gone'.*writer, judge"):
        await run(store, "judged", settings, EnginePool(settings.models))


async def test_a_closed_book_batch_asks_the_recipe_s_own_prompt_again(store: SqlStore) -> None:
    settings = settings_with(agreement={"model": "words", "samples": 3, "threshold": 0.2})
    record = store.get_batch(await run(store, "asked", settings, EnginePool(settings.models)))
    assert record.status is Status.COMPLETED and record.progress.accepted == 5
    row = store.samples(record.id)[0]
    [agreement] = [grade for grade in row.grades if grade.grader == "agreement"]
    assert "of 3 new answers support this" in agreement.evidence[0].reason
    assert row.candidate is not None and row.candidate.prompt is None


async def test_a_halt_waits_for_the_other_graders_and_stops_the_panel() -> None:
    class Sick:
        name, version = "judge", "1"

        async def start(self) -> None: ...

        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            raise JudgeUnhealthyError("the judge fails its canaries")

        async def aclose(self) -> None: ...

    text = "A good sentence stands here."
    candidate = Candidate("b", 0, "essay", text, text)
    with pytest.raises(JudgeUnhealthyError):
        await Panel([FormGrader(), Sick()], Gate({}, ("form", "judge"))).grade([candidate])


async def test_rows_are_judged_one_batch_after_another_until_the_judge_halts() -> None:
    config = load_settings(graders={"judge": {"canary_rate": 1}}).graders
    grader = RowGrader(config, yes, graders=["judge"])
    rows = [{"id": n, "text": "Aldra is 412 km long.", "source": SHEET} for n in range(3)]
    [first, *_] = await grader.grade(rows)
    assert first["verdict"] == "accepted"
    with pytest.raises(JudgeUnhealthyError):
        await grader.grade(rows, 3)


async def test_without_a_source_or_a_question_rows_are_ungraded() -> None:
    grader = RowGrader(load_settings().graders, yes, graders=["judge", "agreement"])
    [row] = await grader.grade([{"id": 1, "text": "Aldra is 412 km long."}])
    assert [grade["score"] for grade in row["grades"]] == [None, None]
    assert row["reasons"] == [
        "judge: there is no source for the judge to hold the text against",
        "agreement: there is no question to ask again",
    ]


def test_grade_judges_and_asks_again_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("winnow.toml").write_text(CONFIG)
    row = {
        "id": "x",
        "source": SHEET,
        "question": "Name: Aldra\nLength: 412 km",
        "text": "The length of Aldra is 421 km. Its mouth is the Rimsee.",
    }
    words = ["grade", "--graders", "judge,agreement", "--model", "writer"]
    result = CliRunner().invoke(app, words, input=orjson.dumps(row))
    assert result.exit_code == 0, result.stderr
    [judge, agreement] = orjson.loads(result.stdout)["grades"]
    assert judge["score"] == 0.5
    assert judge["evidence"][0]["quote"] == "The length of Aldra is 421 km."
    assert "of 5 new answers" in agreement["evidence"][0]["reason"]
