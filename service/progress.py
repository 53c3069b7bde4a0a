"""Shows how far batches are: bars on a terminal, a line every few seconds where there is none."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from service import display

EVERY_SECONDS = 5.0


class BatchProgress:
    """A context; `update` it with the batch object at every change, `print` above the bars."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._clocks: dict[str, Clock] = {}
        self._next_line = time.monotonic() + EVERY_SECONDS
        if console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TextColumn("{task.fields[status]}"),
                console=console,
            )

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def update(self, batch: Mapping[str, Any]) -> None:
        """Show the batch's present state."""
        name = batch["id"]
        clock = self._clocks.setdefault(name, Clock(batch, time.monotonic()))
        status = clock.status(batch, time.monotonic())
        accepted = batch["request_counts"]["accepted"]
        if self._bars:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(
                    batch["recipe"], total=batch["count"], status=""
                )
            self._bars.update(self._tasks[name], completed=accepted, status=status)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + EVERY_SECONDS
            line = f"{batch['recipe']}: {accepted}/{batch['count']} accepted · {status}"
            self._console.print(line, soft_wrap=True, markup=False)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._console.width

    def print(self, what: RenderableType) -> None:
        """Print above the bars."""
        self._console.print(what, soft_wrap=isinstance(what, str), markup=False)


class Clock:
    """What one batch did since it was first seen: its speed, and so the time left."""

    def __init__(self, batch: Mapping[str, Any], now: float) -> None:
        self._began = now
        self._tokens = batch["cost"]["completion_tokens"]
        self._accepted = batch["request_counts"]["accepted"]

    def status(self, batch: Mapping[str, Any], now: float) -> str:
        """`3 rejected (form 3) · 70% pass · 210 tokens/s · 0:42 left`."""
        counts, seconds = batch["request_counts"], max(now - self._began, 1e-6)
        by = f" ({display.reasons(batch)})" if batch["rejected_by"] else ""
        parts = [f"{counts['rejected']} rejected{by}"]
        if counts["failed"]:
            parts.append(f"{counts['failed']} failed")
        parts.append(f"{display.percent(batch['pass_rate'])} pass")
        parts.append(
            f"{(batch['cost']['completion_tokens'] - self._tokens) / seconds:,.0f} tokens/s"
        )
        new = counts["accepted"] - self._accepted
        missing = batch["count"] - counts["accepted"]
        if new and missing:
            parts.append(f"{clock_time(missing * seconds / new)} left")
        return " · ".join(parts)


def clock_time(seconds: float) -> str:
    """`0:42`, `12:05`, `3:00:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
