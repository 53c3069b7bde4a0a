"""Makes a calibration set: grades labelled rows and asks what error rates it can certify."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graders.calibration import Certificate, Refusal
from graders.calibration.labelled import LabelledRow
from graders.calibration.scored_set import Grading, ScoredSet, ScoredText, certificate_for
from graders.calibration.selection import RiskPoint, least_sources, risk_curve
from graders.errors import CalibrationError
from graders.row_grader import RowGrader, grade_rows


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


async def score_rows(
    rows: Sequence[LabelledRow], grading: Grading, grader: RowGrader, tell: Callable[[int], None]
) -> list[float | None]:
    """The score of each row, from the grades that it came with, or graded now.

    None where the grader formed no opinion. `tell` hears how many are done. Raises
    CalibrationError for grades by another version, and for rows without one by this grader.
    """
    if rows and rows[0].grades is not None:
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
            "(a source, a gold answer, a question and --model)?"
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
