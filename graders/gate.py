"""Grades and thresholds to a verdict. Pure, and closed by default: a missing grade is a failure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graders.types import Failure, Grade, Verdict


@dataclass(frozen=True, slots=True)
class Gate:
    """What a text must reach: the least passing score of each grader in `required`.

    A required grader without a threshold must score 1.
    """

    thresholds: Mapping[str, float]
    required: tuple[str, ...]

    def requiring(self, names: Iterable[str]) -> "Gate":
        """The same thresholds over other graders."""
        return Gate(self.thresholds, tuple(names))


def threshold_of(gate: Gate, grader: str) -> float:
    """The least score of this grader that passes."""
    return gate.thresholds.get(grader, 1.0)


def passed(gate: Gate, grade: Grade) -> bool | None:
    """Whether this grade reaches its threshold; None when there is no score to compare."""
    if grade.score is None:
        return None
    return grade.score >= threshold_of(gate, grade.grader)


def decide(gate: Gate, grades: Iterable[Grade]) -> Verdict:
    """Accept when every required grader passed; else name each that did not, with its reason.

    Several grades by one grader must all pass. Grades that the gate does not require are ignored.
    """
    by_grader: dict[str, list[Grade]] = {}
    for grade in grades:
        by_grader.setdefault(grade.grader, []).append(grade)
    failures = tuple(
        failure
        for name in dict.fromkeys(gate.required)
        if (failure := _failure(gate, name, by_grader.get(name, [])))
    )
    return Verdict(not failures, failures)


def _failure(gate: Gate, name: str, grades: list[Grade]) -> Failure | None:
    if not grades:
        return Failure(name, "was not graded", ungraded=True)
    for grade in grades:
        if grade.score is None:
            return Failure(name, grade.ungraded or "gave no score", ungraded=True)
    failing = next((grade for grade in grades if not passed(gate, grade)), None)
    return Failure(name, _reason(gate, failing)) if failing else None


def _reason(gate: Gate, grade: Grade) -> str:
    """The first evidence against the text, or the bare figures when there is none."""
    against = next((item.reason for item in grade.evidence if not item.supports), None)
    return against or f"score {grade.score:.2f} is below {threshold_of(gate, grade.grader):.2f}"
