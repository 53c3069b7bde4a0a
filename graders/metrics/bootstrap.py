"""Confidence intervals by drawing sources, not texts: texts about one source are not independent.

The cluster bootstrap with percentile intervals (Davison & Hinkley 1997, section 3.8).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graders.metrics.inputs import source_numbers

Indices = NDArray[np.int64]
Statistic = Callable[[Indices], float]


def resamples(
    sources: Sequence[Any] | None, count: int, rounds: int, seed: int
) -> Iterator[Indices]:
    """`rounds` samples of row numbers: as many sources as there are, drawn with replacement."""
    numbers = source_numbers(sources, count)
    total = int(numbers.max()) + 1
    generator = np.random.default_rng(seed)
    rows = np.arange(count)
    for _ in range(rounds):
        drawn = np.bincount(generator.integers(total, size=total), minlength=total)
        yield np.repeat(rows, drawn[numbers])


def interval(
    statistic: Statistic,
    sources: Sequence[Any] | None,
    count: int,
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Ends of the interval of `statistic(row numbers)`.

    Samples where it can't be computed (ValueError or NaN: one class only) are passed over; None
    when that is more than half of them.
    """
    found = []
    for rows in resamples(sources, count, rounds, seed):
        try:
            value = statistic(rows)
        except ValueError:
            continue
        if np.isfinite(value):
            found.append(value)
    if len(found) <= rounds / 2:
        return None
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
