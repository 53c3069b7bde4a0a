"""Runs graders over candidates, the cheap one first, and gates what they say.

A candidate that fails `form` is not shown to the others. A grader that breaks leaves its
candidates ungraded; it never lowers a score. Only a judge found unhealthy stops everything.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graders.base import Grader
from graders.busy_time import AtWork
from graders.errors import JudgeUnhealthyError
from graders.gate import Gate, decide, passed
from graders.types import Candidate, Grade, Verdict

logger = logging.getLogger(__name__)
FIRST = "form"


@dataclass(frozen=True, slots=True)
class Judged:
    """One candidate's grades, and what the gate makes of them."""

    grades: tuple[Grade, ...]
    verdict: Verdict


class Panel:
    """Several graders behind one gate. Start it before grading, close it after."""

    def __init__(self, graders: Sequence[Grader], gate: Gate) -> None:
        self.graders = tuple(graders)
        self.gate = gate
        self._first = next((grader for grader in graders if grader.name == FIRST), None)
        self._rest = tuple(grader for grader in graders if grader is not self._first)

    async def start(self) -> None:
        """Start every grader; when one fails, close those already started and raise its error."""
        for number, grader in enumerate(self.graders):
            try:
                await grader.start()
            except BaseException:
                await _close(self.graders[:number])
                raise

    async def aclose(self) -> None:
        """Close every grader, also when one of them fails to close."""
        await _close(self.graders)

    async def grade(self, candidates: Sequence[Candidate]) -> list[Judged]:
        """Judge each candidate, in order. Never raises for a grader's failure.

        Raises JudgeUnhealthyError, when every other grader is done with these candidates.
        """
        if self._first is None:
            first: list[tuple[Grade, ...]] = [() for _ in candidates]
        else:
            first = [(grade,) for grade in await _grade(self._first, candidates)]
        open_ = [n for n, grades in enumerate(first) if all(passed(self.gate, g) for g in grades)]
        survivors = [candidates[n] for n in open_]
        columns = await _side_by_side(self._rest, survivors)
        judged = [self._judge_first(grades) for grades in first]
        for place, n in enumerate(open_):
            grades = first[n] + tuple(column[place] for column in columns)
            judged[n] = Judged(grades, decide(self.gate, grades))
        return judged

    def _judge_first(self, grades: tuple[Grade, ...]) -> Judged:
        """Only the first grader spoke, so only it can be named."""
        return Judged(grades, decide(self.gate.requiring((FIRST,)), grades))


async def _side_by_side(
    graders: Sequence[Grader], candidates: Sequence[Candidate]
) -> list[list[Grade]]:
    """One column of grades per grader; what one of them raises waits until all are done."""
    if len(graders) == 1:  # without a task of its own
        return [await _grade(graders[0], candidates)]
    done = await asyncio.gather(*(_grade(g, candidates) for g in graders), return_exceptions=True)
    columns = []
    for column in done:
        if isinstance(column, BaseException):
            raise column
        columns.append(column)
    return columns


async def _grade(grader: Grader, candidates: Sequence[Candidate]) -> list[Grade]:
    """The grader's opinions; `ungraded` ones when it breaks, and for those that mean nothing."""
    if not candidates:
        return []
    try:
        grades = [_sound(grader, grade) for grade in await timed(grader, candidates)]
        if len(grades) != len(candidates):
            raise ValueError(f"{len(grades)} grades for {len(candidates)} candidates")
    except JudgeUnhealthyError:
        raise
    except Exception as exc:
        logger.exception("grader %s failed on %d candidates", grader.name, len(candidates))
        reason = f"the grader failed: {type(exc).__name__}: {exc}"
        grades = [Grade(grader.name, grader.version, None, ungraded=reason) for _ in candidates]
    return grades


def _sound(grader: Grader, grade: Grade) -> Grade:
    """The grade, or `ungraded` for one in another's name or whose score is outside [0, 1]."""
    if grade.grader != grader.name:
        reason = f"the grader failed: it answered in the name of {grade.grader!r}"
    elif grade.score is not None and not 0.0 <= grade.score <= 1.0:
        reason = f"the grader failed: its score {grade.score} is outside [0, 1]"
    else:
        return grade
    logger.error("grader %s %s: %s", grader.name, grader.version, reason)
    return replace(grade, grader=grader.name, score=None, ungraded=reason)


async def timed(grader: Grader, candidates: Sequence[Candidate]) -> list[Grade]:
    """The grader's opinions, each with its share of the seconds that it was at work.

    One that comes with its seconds, from another process, keeps them. Raises as `grader.grade`.
    """
    with AtWork() as seconds:
        grades = await grader.grade(candidates)
        share = seconds() / max(1, len(candidates))
    return [grade if grade.seconds else replace(grade, seconds=share) for grade in grades]


async def _close(graders: Sequence[Grader]) -> None:
    for grader in reversed(graders):
        try:
            await grader.aclose()
        except Exception:
            logger.exception("grader %s failed to close", grader.name)
