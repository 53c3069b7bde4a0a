"""Selective prediction: how much passes a threshold (coverage) and how much of it is wrong (risk).

A text passes when its score is at least the threshold. Tied scores pass together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from graders.metrics.inputs import Floats, scored_labels


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The risk-coverage curve: one point per distinct score, from the strictest threshold on."""

    threshold: Floats
    coverage: Floats
    risk: Floats


def risk_coverage(scores: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """The curve of El-Yaniv & Wiener (2010), section 2, over the empirical distribution.

    Raises ValueError as `scored_labels` does.
    """
    given, labels = scored_labels(scores, right)
    levels, group = np.unique(-given, return_inverse=True)
    passed = np.cumsum(np.bincount(group, minlength=len(levels)))
    wrong = np.cumsum(np.bincount(group, weights=~labels, minlength=len(levels)))
    return RiskCoverage(-levels, passed / len(given), wrong / passed)


def at_threshold(scores: ArrayLike, right: ArrayLike, threshold: float) -> tuple[float, float]:
    """Risk and coverage at one threshold; the risk is NaN when nothing passes.

    Raises ValueError as `scored_labels` does.
    """
    given, labels = scored_labels(scores, right)
    passed = given >= threshold
    risk = float(np.mean(~labels[passed])) if passed.any() else float("nan")
    return risk, float(passed.mean())


def aurc(scores: ArrayLike, right: ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean risk of the best k texts over all k.

    Geifman, Uziel & El-Yaniv (2019), section 3. Among tied scores the expectation over a random
    order is taken. Raises ValueError as `scored_labels` does.
    """
    given, labels = scored_labels(scores, right)
    _, group = np.unique(-given, return_inverse=True)
    share = np.bincount(group, weights=~labels) / np.bincount(group)
    in_order = share[np.sort(group)]
    return float(np.mean(np.cumsum(in_order) / np.arange(1, len(given) + 1)))


def excess_aurc(scores: ArrayLike, right: ArrayLike) -> float:
    """AURC less that of a ranking that puts every wrong text last (same paper, section 3)."""
    _, labels = scored_labels(scores, right)
    return aurc(scores, right) - aurc(labels.astype(np.float64), labels)
