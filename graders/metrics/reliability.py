"""Do scores mean what they say? Among texts scored 0.8, are 80% right?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from graders.metrics.inputs import Floats, scored_labels

BINS = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """One entry per bin: how many texts, their mean score and the share of them that is right."""

    count: Floats
    score: Floats
    right: Floats


def reliability(scores: ArrayLike, right: ArrayLike, bins: int = BINS) -> Reliability:
    """At most `bins` bins of about equally many texts; equal scores share a bin.

    Equal-mass bins after Nixon et al. (2019). Raises ValueError as `scored_labels`
    does, for a score outside [0, 1] and for less than one bin.
    """
    given, labels = scored_labels(scores, right)
    if given.min() < 0 or given.max() > 1:
        raise ValueError("calibration is measured on probabilities: scores must lie in [0, 1]")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    inner = np.quantile(given, np.arange(1, bins) / bins, method="inverted_cdf")
    _, place = np.unique(np.searchsorted(inner, given, side="left"), return_inverse=True)
    count = np.bincount(place).astype(np.float64)
    return Reliability(
        count,
        np.bincount(place, weights=given) / count,
        np.bincount(place, weights=labels) / count,
    )


def calibration_error(scores: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of score and share right over the bins.

    Naeini, Cooper & Hauskrecht (2015), with the equal-mass bins of `reliability`, which see for
    what it raises.
    """
    found = reliability(scores, right, bins)
    return float(np.average(np.abs(found.score - found.right), weights=found.count))


def brier(scores: ArrayLike, right: ArrayLike) -> float:
    """Mean squared distance of score and label (Brier 1950). Raises as `scored_labels` does."""
    given, labels = scored_labels(scores, right)
    return float(np.mean((given - labels) ** 2))
