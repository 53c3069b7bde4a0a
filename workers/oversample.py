"""How many candidates to draw next, and from which sources. A pure state machine: no clock, no I/O.

It learns the pass rate as samples are admitted, and promises not to draw much more than one who
knew that rate beforehand: at most 5% more for 200 samples and up (measured in its test).
"""

import heapq
import math
from collections.abc import Sequence

from workers.types import Outcome

FAILING_ROW = 20
FAILING_START = 8
RETIRE_AFTER_FAILED = 8
RETIRE_AFTER = 30
RETIRE_CHANCE = 1e-6
PRIOR_PASSES = 16
PRIOR_SHARE = 0.08


class Oversampler:
    """Plans the draws of one batch.

    The pass rate is that of accepted among accepted and rejected, as if 16 draws (fewer for a small
    batch) had passed before the first: failures (errors, time-outs) say nothing about it and are
    counted apart. It starts hopeful because a draw too many is wasted, whereas one too few only
    comes later; most of all on an engine that would take all draws at once, before anything is
    known.

    Each source is drawn from once in turn; after that the next draw goes to the source with the
    fewest samples, accepted or expected of its draws in flight, so that samples spread evenly;
    there, 30 draws in a row that brought nothing weigh as much as one sample, and so does each that
    failed, or a poor source would take all draws. A source is retired when its prompt is too long,
    when at least `RETIRE_AFTER_FAILED` of its draws failed in a row while others' were judged, and
    when at least `RETIRE_AFTER` judged draws in a row brought nothing: so many that at the rates
    of the other sources (its own, while they have none) this had a chance below `RETIRE_CHANCE`.
    As long as nothing at all passes, no source is retired for what it did not bring.
    """

    def __init__(self, count: int, source_ids: Sequence[str], window: int) -> None:
        """Plan for `count` samples with at most `window` draws in flight; `window` may change."""
        self.window = window
        self._count = count
        self._prior = max(1.0, min(PRIOR_PASSES, PRIOR_SHARE * count))
        self._source_ids = tuple(source_ids)
        sources = len(source_ids)
        self._accepted = [0] * sources
        self._judged = [0] * sources
        self._pending = [0] * sources
        self._misses = [0] * sources
        self._failures = [0] * sources
        self._judged_before_failing = [0] * sources
        self._retired: dict[int, str] = {}
        self._fresh = 0
        self._queue: list[tuple[float, int]] = []
        self._total_accepted = 0
        self._total_judged = 0
        self._failed_in_a_row = 0
        self._total_failed = 0

    @property
    def pass_rate(self) -> float:
        """Estimate of the share of judged candidates that are accepted, at first 1."""
        return (self._total_accepted + self._prior) / (self._total_judged + self._prior)

    @property
    def exhausted(self) -> bool:
        """No source is left to draw from."""
        return len(self._retired) == len(self._source_ids)

    @property
    def retired(self) -> dict[str, str]:
        """The retired sources, by id, with the reason."""
        return {self._source_ids[index]: reason for index, reason in self._retired.items()}

    @property
    def failing(self) -> bool:
        """The engine or a grader seems down: the last 20 outcomes failed, or the first 8 of all.

        Prompts that are too long do not count: they are the source's fault.
        """
        nothing_judged = self._total_judged == 0
        return self._failed_in_a_row >= (FAILING_START if nothing_judged else FAILING_ROW)

    def plan(self, in_flight: int, at_most: int | None = None) -> list[int]:
        """The indices of the sources to draw from now, given the draws still in flight.

        So many that the passes expected of everything in flight just cover what is missing.
        """
        missing = self._count - self._total_accepted
        wanted = min(self.window, math.ceil(missing / self.pass_rate)) - in_flight
        if at_most is not None:
            wanted = min(wanted, at_most)
        if self.exhausted:
            return []
        return [self._draw() for _ in range(wanted)]

    def observe(self, source: int, outcome: Outcome, *, too_long: bool = False) -> None:
        """Learn what became of one draw from the source with index `source`.

        Also replays the outcomes of an earlier run; those were not planned here.
        """
        self._pending[source] = max(0, self._pending[source] - 1)
        if outcome is Outcome.FAILED:
            self._observe_failure(source, too_long)
        else:
            self._observe_judged(source, outcome is Outcome.ACCEPTED)
        if source < self._fresh:
            self._enqueue(source)

    def _observe_failure(self, source: int, too_long: bool) -> None:
        if too_long:
            self._retired[source] = "prompt too long for the model"
            return
        self._failed_in_a_row += 1
        self._total_failed += 1
        if not self._failures[source]:
            self._judged_before_failing[source] = self._total_judged
        self._failures[source] += 1
        if self._is_broken(source):
            self._retired[source] = f"{self._failures[source]} draws in a row failed"

    def _observe_judged(self, source: int, accepted: bool) -> None:
        self._failed_in_a_row = self._failures[source] = 0
        self._total_judged += 1
        self._judged[source] += 1
        self._total_accepted += accepted
        self._accepted[source] += accepted
        self._misses[source] = 0 if accepted else self._misses[source] + 1
        if self._is_barren(source):
            self._retired[source] = f"{self._misses[source]} draws in a row brought nothing"

    def _is_broken(self, source: int) -> bool:
        failures = self._failures[source]
        others_judged = self._total_judged - self._judged_before_failing[source]
        if failures < RETIRE_AFTER_FAILED or not others_judged:
            return False
        others_failed = self._total_failed - failures
        rate = (others_failed + 1) / (others_failed + self._total_judged + 2)
        return failures * math.log(rate) < math.log(RETIRE_CHANCE)

    def _is_barren(self, source: int) -> bool:
        misses = self._misses[source]
        if misses < RETIRE_AFTER or self._total_accepted == 0:
            return False
        others_accepted = self._total_accepted - self._accepted[source]
        others_judged = self._total_judged - self._judged[source]
        passes, judged = others_accepted, others_judged
        if not others_accepted:
            passes, judged = self._total_accepted, self._total_judged
        rate = passes / (judged + 2)
        return misses * math.log1p(-rate) < math.log(RETIRE_CHANCE)

    def _draw(self) -> int:
        source = self._next_fresh()
        if source is None:
            source = self._next_poorest()
        self._pending[source] += 1
        self._enqueue(source)
        return source

    def _next_fresh(self) -> int | None:
        """The next source that was never drawn from."""
        while self._fresh < len(self._source_ids):
            source = self._fresh
            self._fresh += 1
            if source not in self._retired and self._never_drawn(source):
                return source
            self._enqueue(source)
        return None

    def _never_drawn(self, source: int) -> bool:
        return not self._judged[source] and not self._pending[source]

    def _next_poorest(self) -> int:
        """Pop queue entries until one is still true of its source."""
        while True:
            expected, source = heapq.heappop(self._queue)
            if source not in self._retired and expected == self._expected(source):
                return source

    def _expected(self, source: int) -> float:
        """Samples accepted plus those expected of draws in flight, and what misses weigh.

        The source's own pass rate is pulled towards one half with the weight of two draws.
        """
        rate = (self._accepted[source] + 1) / (self._judged[source] + 2)
        misses = self._misses[source] / RETIRE_AFTER + self._failures[source]
        return self._accepted[source] + rate * self._pending[source] + misses

    def _enqueue(self, source: int) -> None:
        if source in self._retired:
            return
        if len(self._queue) > 4 * len(self._source_ids) + 64:
            live = (index for index in range(self._fresh) if index not in self._retired)
            self._queue = [(self._expected(index), index) for index in live if index != source]
            heapq.heapify(self._queue)
        heapq.heappush(self._queue, (self._expected(source), source))
