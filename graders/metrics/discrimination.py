"""How well scores tell right texts from wrong ones: AUROC, and the decisions at a threshold.

The positive class of F1, precision and recall is "wrong": what a gate is there to catch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from graders.metrics.inputs import check_both_classes, scored_labels


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of texts by truth and decision; a text below the threshold is refused."""

    caught: int
    missed: int
    false_alarms: int
    kept: int

    @property
    def precision(self) -> float:
        """Share of the refused texts that are wrong; NaN when none is refused."""
        return _share(self.caught, self.caught + self.false_alarms)

    @property
    def recall(self) -> float:
        """Share of the wrong texts that are refused; NaN when none is wrong."""
        return _share(self.caught, self.caught + self.missed)

    @property
    def f1(self) -> float:
        """F1 of the class "wrong"; NaN when nothing is wrong and nothing refused."""
        return _share(2 * self.caught, 2 * self.caught + self.missed + self.false_alarms)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares of wrong texts refused and of right texts kept; NaN for one class."""
        return (self.recall + _share(self.kept, self.kept + self.false_alarms)) / 2

    @property
    def accuracy(self) -> float:
        """Share of decisions that agree with the labels."""
        return _share(
            self.caught + self.kept, self.caught + self.missed + self.false_alarms + self.kept
        )


def _share(hits: int, trials: int) -> float:
    return hits / trials if trials else float("nan")


def confusion(scores: ArrayLike, right: ArrayLike, threshold: float) -> Confusion:
    """Decisions at a threshold. Raises ValueError as `scored_labels` does."""
    given, labels = scored_labels(scores, right)
    return confusion_of(given < threshold, labels)


def confusion_of(refused: ArrayLike, right: ArrayLike) -> Confusion:
    """Counts of decisions already taken, shape (n,) each."""
    out, labels = np.asarray(refused, np.bool_), np.asarray(right, np.bool_)
    return Confusion(
        caught=int(np.sum(out & ~labels)),
        missed=int(np.sum(~out & ~labels)),
        false_alarms=int(np.sum(out & labels)),
        kept=int(np.sum(~out & labels)),
    )


def auroc(scores: ArrayLike, right: ArrayLike) -> float:
    """Chance that a right text scores above a wrong one, ties counting half (Mann-Whitney U).

    Raises ValueError as `scored_labels` does, and when only one class is there.
    """
    given, labels = scored_labels(scores, right)
    check_both_classes(labels)
    _, group = np.unique(given, return_inverse=True)
    good, bad = np.bincount(group, weights=labels), np.bincount(group, weights=~labels)
    below = np.cumsum(bad) - bad / 2
    return float(good @ below / (good.sum() * bad.sum()))


def auroc_if_any(scores: ArrayLike, right: ArrayLike) -> float:
    """The same, but NaN when only one class is there. Raises ValueError as `scored_labels` does."""
    given, labels = scored_labels(scores, right)
    return float("nan") if labels.all() or not labels.any() else auroc(given, labels)
