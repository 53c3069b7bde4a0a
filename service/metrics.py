"""What Prometheus reads: counters over everything this process drew since it started."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from workers.types import Progress

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one gateway, in a registry of its own."""

    def __init__(self, running: Callable[[], int]) -> None:
        """`running` tells how many batches run now."""
        self.registry = CollectorRegistry()
        self._candidates = self._counter(
            "candidates", "Candidates, by what became of them.", "outcome"
        )
        self._tokens = self._counter("tokens", "Tokens, prompt and completion.", "kind")
        self._seconds = self._counter("busy_seconds", "Seconds spent, engine and graders.", "part")
        self._rejections = self._counter("rejections", "Rejections, by grader.", "grader")
        gauge = Gauge("winnow_running_batches", "Batches that run now.", registry=self.registry)
        gauge.set_function(running)

    def _counter(self, name: str, help_: str, label: str) -> Counter:
        return Counter(f"winnow_{name}", help_, [label], registry=self.registry)

    def observe(self, before: Progress, now: Progress) -> None:
        """Add what a batch did between two states of its progress."""
        for outcome in ("accepted", "rejected", "failed"):
            self._add(self._candidates, outcome, getattr(before, outcome), getattr(now, outcome))
        for kind in ("prompt", "completion"):
            field = f"{kind}_tokens"
            self._add(self._tokens, kind, getattr(before, field), getattr(now, field))
        for part in ("engine", "grader"):
            field = f"{part}_seconds"
            self._add(self._seconds, part, getattr(before, field), getattr(now, field))
        for grader, count in now.rejected_by.items():
            self._add(self._rejections, grader, before.rejected_by.get(grader, 0), count)

    @staticmethod
    def _add(counter: Counter, label: str, before: float, now: float) -> None:
        counter.labels(label).inc(max(0.0, now - before))

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
