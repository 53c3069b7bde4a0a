"""What Prometheus reads: counters over everything this process drew since it started, by tenant."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from workers.costs import cost_of
from workers.types import Price, Progress

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one gateway, in a registry of its own."""

    def __init__(self, running: Callable[[], int]) -> None:
        """`running` tells how many batches run now."""
        self.registry = CollectorRegistry()
        self._candidates = self._counter(
            "candidates", "Candidates, by what became of them.", "outcome"
        )
        self._tokens = self._counter(
            "tokens", "Tokens of candidates (prompt, completion), and graders' questions.", "kind"
        )
        self._rejected_tokens = self._counter(
            "rejected_tokens", "Completion tokens of rejected texts."
        )
        self._aborted = self._counter("aborted", "Texts stopped while they were written.")
        self._aborted_tokens = self._counter(
            "aborted_tokens", "Completion tokens of texts stopped while they were written."
        )
        self._saved = Gauge(
            "winnow_saved_tokens",
            "Estimate of the completion tokens that stopping texts saved; it may fall.",
            ("tenant",),
            registry=self.registry,
        )
        self._engine = self._counter("engine_seconds", "Busy time of engines, by use.", "use")
        self._grader = self._counter("grader_seconds", "Seconds that graders were at work.")
        self._money = self._counter(
            "money", "Price of the engine-seconds of batches that have one.", "currency"
        )
        self._rejections = self._counter("rejections", "Rejections, by grader.", "grader")
        gauge = Gauge("winnow_running_batches", "Batches that run now.", registry=self.registry)
        gauge.set_function(running)

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"winnow_{name}", help_, ("tenant", *labels), registry=self.registry)

    def observe(
        self,
        before: Progress,
        now: Progress,
        price: Price | None = None,
        tenant: str | None = None,
    ) -> None:
        """Add what a tenant's batch of this price did between two states of its progress.

        Where callers are not told apart the tenant's label is empty.
        """
        whose = tenant or ""
        was, is_ = cost_of(before, price), cost_of(now, price)
        for outcome in ("accepted", "rejected", "failed"):
            counter = self._candidates.labels(whose, outcome)
            _add(counter, getattr(before, outcome), getattr(now, outcome))
        for kind in ("prompt", "completion", "grading"):
            field = f"{kind}_tokens"
            _add(self._tokens.labels(whose, kind), getattr(was, field), getattr(is_, field))
        _add(self._rejected_tokens.labels(whose), was.rejected_tokens, is_.rejected_tokens)
        _add(self._aborted.labels(whose), was.aborted, is_.aborted)
        _add(self._aborted_tokens.labels(whose), was.aborted_tokens, is_.aborted_tokens)
        self._saved.labels(whose).inc((is_.saved_tokens or 0) - (was.saved_tokens or 0))
        grading = was.grading_engine_seconds, is_.grading_engine_seconds
        _add(self._engine.labels(whose, "grading"), *grading)
        writing = was.engine_seconds - grading[0], is_.engine_seconds - grading[1]
        _add(self._engine.labels(whose, "writing"), *writing)
        _add(self._grader.labels(whose), was.grader_seconds, is_.grader_seconds)
        if price is not None:
            _add(self._money.labels(whose, price.currency), was.money or 0.0, is_.money or 0.0)
        for grader, count in now.rejected_by.items():
            _add(self._rejections.labels(whose, grader), before.rejected_by.get(grader, 0), count)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


def _add(counter: Counter, before: float, now: float) -> None:
    counter.inc(max(0.0, now - before))
