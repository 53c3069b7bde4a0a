"""The panel: order, short-circuit, and what a broken grader does to its candidates."""

import math
from collections.abc import Sequence

import pytest

from graders.base import Grader
from graders.errors import GraderError
from graders.form import FormGrader
from graders.gate import Gate
from graders.panel import Panel
from graders.types import Candidate, Grade


class Recorder:
    """A grader that notes what it saw, scores by `score`, and raises what it is told to."""

    version = "1"

    def __init__(self, name: str, score: float = 1.0, error: Exception | None = None) -> None:
        self.name, self.score, self.error = name, score, error
        self.saw: list[int] = []
        self.events: list[str] = []

    async def start(self) -> None:
        self.events.append("start")
        if self.name == "unstartable":
            raise GraderError("no model")

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        self.saw += [candidate.seq for candidate in candidates]
        if self.error:
            raise self.error
        return [Grade(self.name, "1", self.score) for _ in candidates]

    async def aclose(self) -> None:
        self.events.append("close")


def make(seq: int, text: str = "A good sentence stands here.") -> Candidate:
    return Candidate("b", seq, "essay", text, text)


def panel(*graders: Grader) -> Panel:
    return Panel(graders, Gate({}, tuple(grader.name for grader in graders)))


async def test_what_fails_form_is_not_shown_to_the_others_and_names_form_only() -> None:
    answers = Recorder("answers")
    judged = await panel(answers, FormGrader()).grade([make(0), make(1, ""), make(2)])
    assert answers.saw == [0, 2]
    assert [one.verdict.accepted for one in judged] == [True, False, True]
    assert [failure.grader for failure in judged[1].verdict.failures] == ["form"]
    assert [grade.grader for grade in judged[0].grades] == ["form", "answers"]


@pytest.mark.parametrize("error", [GraderError("no model"), KeyError("bug")])
async def test_a_grader_that_breaks_leaves_its_candidates_ungraded(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    judged = await panel(FormGrader(), Recorder("answers", error=error)).grade([make(0), make(1)])
    for one in judged:
        assert one.grades[1].score is None
        assert type(error).__name__ in (one.grades[1].ungraded or "")
        assert one.verdict.failures[0].ungraded
    assert "Traceback" in caplog.text


async def test_a_grader_that_loses_a_grade_is_broken() -> None:
    class Short(Recorder):
        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            return (await super().grade(candidates))[1:]

    judged = await panel(Short("answers")).grade([make(0), make(1)])
    assert not any(one.verdict.accepted for one in judged)


@pytest.mark.parametrize("score", [7.5, -0.1, math.nan, math.inf, -math.inf])
async def test_a_score_outside_nought_to_one_is_no_score(
    score: float, caplog: pytest.LogCaptureFixture
) -> None:
    class Mixed(Recorder):
        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            first, *rest = await super().grade(candidates)
            return [Grade(first.grader, first.version, 1.0), *rest]

    right, odd = await panel(Mixed("plug-in", score)).grade([make(0), make(1)])
    assert right.verdict.accepted
    [grade], [failure] = odd.grades, odd.verdict.failures
    assert grade.score is None
    assert grade.ungraded == f"the grader failed: its score {score} is outside [0, 1]"
    assert failure.grader == "plug-in" and failure.ungraded
    assert "plug-in 1" in caplog.text


async def test_a_grade_in_anothers_name_is_no_grade() -> None:
    class Impostor(Recorder):
        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            return [Grade("answers", "1", 1.0) for _ in candidates]

    [one] = await panel(Impostor("plug-in")).grade([make(0)])
    assert not one.verdict.accepted
    assert [(grade.grader, grade.score) for grade in one.grades] == [("plug-in", None)]
    assert "in the name of 'answers'" in (one.grades[0].ungraded or "")


async def test_a_required_grader_that_the_panel_lacks_closes_the_gate() -> None:
    one = (await Panel([FormGrader()], Gate({}, ("form", "answers"))).grade([make(0)]))[0]
    assert [failure.grader for failure in one.verdict.failures] == ["answers"]


async def test_all_failing_graders_are_named_and_seconds_are_measured() -> None:
    graders: list[Grader] = [FormGrader(), Recorder("a", 0.2), Recorder("b", 0.3)]
    one = (await panel(*graders).grade([make(0)]))[0]
    assert [failure.grader for failure in one.verdict.failures] == ["a", "b"]
    assert all(grade.seconds > 0 for grade in one.grades)


async def test_nothing_to_grade_is_nothing_asked() -> None:
    assert await panel(FormGrader(), Recorder("a")).grade([]) == []


async def test_when_one_grader_cannot_start_those_started_are_closed() -> None:
    first, last = Recorder("a"), Recorder("b")
    with pytest.raises(GraderError):
        await panel(first, Recorder("unstartable"), last).start()
    assert first.events == ["start", "close"]
    assert last.events == []
