"""Is a hit rate surely below a floor? May be asked after every trial, as long as trials come."""

from collections import deque
from math import log, pi
from typing import Final

from graders.calibration.bounds import log_mixture_ratio

PRIOR: Final = (1.0, 2.0)
"""Of the hit rate of what is below its floor, a beta distribution with mean 1/3: it affects how
soon a low rate is noticed, not how often a good one is mistaken for it."""
LASTS: Final = 20
"""Windows after which a test ends: by then it has seen what it was begun for."""


class FloorTest:
    """Trials in order, each a hit or a miss; `is_below` when their rate surely lies too low.

    A rate that never is below `floor` is found below it with probability at most `delta` over the
    whole stream, however often one asks. One test rejects when the trials since its start are
    likelier under the prior than under the floor by 1 / (its share of delta): Ville's inequality
    for the mixture martingale (Robbins 1970). A test begins with each `window` trials, so that a
    rate that falls late is not covered up by what was before; the nth has 6 / (pi n)^2 of delta,
    which adds up to all of it.
    """

    def __init__(self, floor: float, delta: float, window: int) -> None:
        self._floor = floor
        self._delta = delta
        self._window = window
        self._hits = self._trials = self._begun = 0
        self._tests: deque[tuple[float, int, int]] = deque(maxlen=LASTS)

    def record(self, hit: bool) -> None:
        """Note one trial."""
        if self._trials % self._window == 0:
            self._begun += 1
            needed = log((pi * self._begun) ** 2 / (6 * self._delta))
            self._tests.append((needed, self._hits, self._trials))
        self._hits += hit
        self._trials += 1

    def is_below(self) -> bool:
        """Whether one of the tests rejects now every rate from the floor up."""
        return any(
            self._rejects(needed, self._hits - hits, self._trials - trials)
            for needed, hits, trials in self._tests
        )

    def _rejects(self, needed: float, hits: int, trials: int) -> bool:
        """Of the rates from the floor up, the floor is the likeliest when fewer hits came."""
        if hits >= self._floor * trials:
            return False
        return self._floor >= 1.0 or log_mixture_ratio(hits, trials, self._floor, PRIOR) >= needed
