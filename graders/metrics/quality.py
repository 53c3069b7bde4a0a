"""Everything that is measured about a gate at once, with intervals over sources."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from graders.metrics.bootstrap import interval
from graders.metrics.discrimination import auroc, confusion
from graders.metrics.inputs import Bools, Floats, check_both_classes, scored_labels
from graders.metrics.reliability import BINS, brier, calibration_error
from graders.metrics.selective import at_threshold, aurc, excess_aurc

Measures = dict[str, float]


def measure(scores: ArrayLike, right: ArrayLike, threshold: float, bins: int = BINS) -> Measures:
    """Risk, coverage, AURC, AUROC and the rest, by name.

    `risk` is NaN when nothing passes. The calibration error and the Brier score are NaN when a
    score lies outside [0, 1]. Raises ValueError as `scored_labels` does and for one class.
    """
    given, labels = scored_labels(scores, right)
    check_both_classes(labels)
    risk, coverage = at_threshold(given, labels, threshold)
    decided = confusion(given, labels, threshold)
    return {
        "risk": risk,
        "coverage": coverage,
        "aurc": aurc(given, labels),
        "excess_aurc": excess_aurc(given, labels),
        "auroc": auroc(given, labels),
        "f1": decided.f1,
        "precision": decided.precision,
        "recall": decided.recall,
        "balanced_accuracy": decided.balanced_accuracy,
        "accuracy": decided.accuracy,
        **_calibration(given, labels, bins),
    }


def _calibration(scores: Floats, right: Bools, bins: int) -> Measures:
    if scores.min() < 0 or scores.max() > 1:
        return {"calibration_error": float("nan"), "brier": float("nan")}
    return {
        "calibration_error": calibration_error(scores, right, bins),
        "brier": brier(scores, right),
    }


def intervals(
    scores: ArrayLike,
    right: ArrayLike,
    sources: Sequence[Any] | None,
    threshold: float,
    rounds: int = 1000,
    seed: int = 0,
) -> Mapping[str, tuple[float, float] | None]:
    """95% intervals of the main measures by bootstrap over sources; None where there is none."""
    given, labels = scored_labels(scores, right)

    def ends(name: str) -> tuple[float, float] | None:
        measured = _MEASURES[name]
        return interval(
            lambda rows: measured(given[rows], labels[rows], threshold),
            sources,
            len(given),
            rounds,
            seed,
        )

    return {name: ends(name) for name in _MEASURES}


_MEASURES: Mapping[str, Callable[[Floats, Bools, float], float]] = {
    "risk": lambda s, r, t: at_threshold(s, r, t)[0],
    "coverage": lambda s, r, t: at_threshold(s, r, t)[1],
    "aurc": lambda s, r, t: aurc(s, r),
    "auroc": lambda s, r, t: auroc(s, r),
    "f1": lambda s, r, t: confusion(s, r, t).f1,
    "balanced_accuracy": lambda s, r, t: confusion(s, r, t).balanced_accuracy,
}
