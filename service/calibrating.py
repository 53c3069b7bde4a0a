"""Makes a calibration set: grades labelled rows and asks what error rates it can certify."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from graders.base import Complete, Models
from graders.calibration import Certificate, Refusal
from graders.calibration.labelled import LabelledRow
from graders.calibration.scored_set import Grading, ScoredSet, ScoredText, certificate_for
from graders.calibration.selection import RiskPoint, least_sources, risk_curve
from graders.errors import CalibrationError, GraderConfigError
from graders.row_grader import RowGrader, grade_rows
from service.certificates import asks_model, grader_options
from service.settings import Settings
from workers.recipes import Recipe


def check_set(rows: Sequence[LabelledRow], alpha: float, delta: float) -> None:
    """Refuse, before any is graded, rows that can't certify alpha. Raises CalibrationError."""
    labels = Counter(row.right for row in rows)
    if len(labels) < 2:
        only, missing = ("right", "wrong") if labels[True] else ("wrong", "right")
        raise CalibrationError(
            f"every text is labelled {only}: a set without {missing} ones can't tell what the "
            "grader lets through; label some of what the generator writes, as it comes"
        )
    sources, needed = len({row.source for row in rows}), least_sources(alpha, delta)
    if sources < needed:
        raise CalibrationError(
            f"{len(rows)} rows of {sources} sources are too few: {needed} sources are the least "
            f"for an error rate of {alpha:.1%} at confidence {1 - delta:.1%}, if every text passed "
            "and none was wrong; label texts of more sources"
        )
    graded = sum(row.grades is not None for row in rows)
    if 0 < graded < len(rows):
        raise CalibrationError(
            f"{graded} of {len(rows)} rows come with grades, the others without; give all or none"
        )


def came_graded(rows: Sequence[LabelledRow]) -> bool:
    """Whether the rows of a checked set hold grades, so that none is graded again."""
    return bool(rows) and rows[0].grades is not None


def model_of_batches(settings: Settings, grader: str, rows: Sequence[LabelledRow]) -> str | None:
    """The model that this grader asks in batches which name none; None where it may ask none.

    Also None for rows that came graded: who was asked then can't be told from them.
    """
    options = grader_options(settings.graders, grader)
    asks = not came_graded(rows) and asks_model(grader, options)
    return settings.model_name if asks else None


def notices_of(rows: Sequence[LabelledRow], grading: Grading) -> list[str]:
    """What certificates will lack or assume, for whoever made the set to mend."""
    notices = []
    if not grading.model and asks_model(grading.grader, grading.options):
        notices.append(
            f"{grading.grader} may ask the model in a batch, and asked none here: a batch is "
            "certified only if its gate asks none either. Name the model, or configure that none "
            "is asked"
        )
    if not any(row.generator for row in rows):
        notices.append(
            "no row names the 'model' that wrote its text: certificates will say that they assume "
            "it to be the batch's"
        )
    return notices


@asynccontextmanager
async def opened_grader(
    settings: Settings,
    models: Models,
    recipes: Mapping[str, Recipe],
    rows: Sequence[LabelledRow],
    grading: Grading,
    ask: Callable[[], Awaitable[Complete]] | None,
) -> AsyncIterator[RowGrader]:
    """The grader for these rows, every one of which it can read; `ask` loads the model to ask.

    Raises CalibrationError, naming the row, and what `ask` raises.
    """
    names = [grading.grader]
    reader = RowGrader(settings.graders, graders=names, recipes=recipes)
    await asyncio.to_thread(_check_readable, rows, reader)
    complete = None
    if ask and grading.model and not came_graded(rows):
        complete = await ask()
    grader = RowGrader(settings.graders, complete, models=models, graders=names, recipes=recipes)
    try:
        yield grader
    finally:
        await grader.aclose()


async def score_rows(
    rows: Sequence[LabelledRow],
    grading: Grading,
    grader: RowGrader,
    tell: Callable[[int], None] = lambda done: None,
) -> list[float | None]:
    """The score of each row, from the grades that it came with, or graded now.

    None where the grader formed no opinion. `tell` hears how many are done. Raises
    CalibrationError for grades by another version, and for rows without one by this grader.
    """
    if came_graded(rows):
        return [_given_score(row, grading) for row in rows]
    scores: list[float | None] = []
    async for result in grade_rows([row.row for row in rows], grader):
        scores.append(_lowest(result["grades"], grading.grader))
        tell(len(scores))
    return scores


def scored_set(
    rows: Sequence[LabelledRow],
    scores: Sequence[float | None],
    grading: Grading,
    *,
    name: str,
    recipe: str,
) -> ScoredSet:
    """The calibration set. Raises CalibrationError when no text has a score."""
    if all(score is None for score in scores):
        raise CalibrationError(
            f"{grading.grader} formed no opinion on any text; do the rows hold what it needs "
            "(a source, a question), and may it ask the model that it needs?"
        )
    texts = tuple(
        ScoredText(score, row.right, row.source) for row, score in zip(rows, scores, strict=True)
    )
    generators = tuple(sorted({row.generator for row in rows if row.generator}))
    return ScoredSet(name, recipe, grading, generators, time.time(), texts)


def answers(
    scored: ScoredSet, alphas: Sequence[float], delta: float, seed: int
) -> list[Certificate | Refusal]:
    """What the set says to each error rate."""
    return [certificate_for(scored, alpha, delta, seed) for alpha in alphas]


def curve_of(scored: ScoredSet, delta: float, seed: int) -> list[RiskPoint]:
    """Risk against coverage over all thresholds."""
    texts = scored.texts
    return risk_curve(
        [text.score for text in texts],
        [text.right for text in texts],
        [text.source for text in texts],
        delta,
        seed,
    )


def _check_readable(rows: Sequence[LabelledRow], reader: RowGrader) -> None:
    """Raise CalibrationError at the first row to grade that is no row, before any is graded."""
    for number, row in enumerate(rows):
        if row.grades is not None:
            continue
        try:
            reader.read(row.row, number)
        except GraderConfigError as exc:
            reason = str(exc).removeprefix(f"row {number + 1}: ")
            raise CalibrationError(f"{row.place}: {reason}") from exc


def _given_score(row: LabelledRow, grading: Grading) -> float | None:
    own = [grade for grade in row.grades or () if grade["grader"] == grading.grader]
    if not own:
        raise CalibrationError(
            f"{row.place}: has no grade by {grading.grader}; name the grader that graded it"
        )
    versions = {str(grade.get("version") or "") for grade in own if grade["score"] is not None}
    versions.discard(grading.version)
    if versions:
        raise CalibrationError(
            f"{row.place}: was graded by {grading.grader} version {max(versions) or 'unknown'}, "
            f"here it is {grading.version}; grade it anew with `winnow grade`"
        )
    return _lowest(own, grading.grader)


def _lowest(grades: Sequence[Mapping[str, Any]], grader: str) -> float | None:
    """Several grades by one grader must all pass, so the least decides; None fails closed."""
    scores = [grade["score"] for grade in grades if grade["grader"] == grader]
    return None if not scores or None in scores else float(min(scores))
