"""Tells how far a batch job is: a bar on a terminal, JSON lines where there is none."""

import sys
import time
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import orjson

from workers.costs import Cost, in_words
from workers.output_folder import Counts

EVERY_SECONDS = 5.0


class JobProgress:
    """A context. `event` says what happened, `update` how far the job is.

    Lines go to stdout as `{"event": …}`, those of progress every five seconds; the bar goes to
    stderr. `total` is how many samples are wanted, None where that is not known.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._began = time.monotonic()
        self._next_line = self._began
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar, self._task = _bar(total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, counts: Counts, cost: Cost | None = None) -> None:
        """Show the present counts, and the engine time and money spent, where that is known."""
        spent = (
            {"engine_seconds": round(cost.engine_seconds, 1), "money": cost.money} if cost else {}
        )
        if self._bar is not None:
            told = f"{counts.rejected} rejected · {counts.failed} failed"
            told += f" · {spent['engine_seconds']} engine-seconds" if spent else ""
            self._bar.update(self._task, completed=counts.accepted, told=told)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + EVERY_SECONDS
            self.event("progress", **asdict(counts), total=self._total, **spent)

    def cost(self, cost: Cost) -> None:
        """Say what the job has cost: a line of text above the bar, or an event."""
        if self._bar is None:
            self.event("cost", **asdict(cost))
        else:
            self._bar.console.print(f"cost: {in_words(cost)}", soft_wrap=True, highlight=False)

    def event(self, name: str, **facts: object) -> None:
        """Say that something happened, and what there is to know about it."""
        seconds = round(time.monotonic() - self._began, 1)
        line = {"event": name, **facts, "seconds": seconds}
        if self._bar is None:
            sys.stdout.buffer.write(orjson.dumps(line, default=str) + b"\n")
            sys.stdout.buffer.flush()
        else:
            told = ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None)
            self._bar.console.print(f"{name}: {told}", soft_wrap=True, highlight=False)


def _bar(total: int | None) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = ["{task.completed:.0f} accepted", "{task.fields[told]}"]
    bar = Progress(BarColumn(bar_width=24), *map(TextColumn, columns), console=Console(stderr=True))
    return bar, bar.add_task("", total=total, told="")
