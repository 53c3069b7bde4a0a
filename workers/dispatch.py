"""Draws out, results back in order. Everything sent comes back exactly once, or by name."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from workers.types import Draw, Produced


class Dispatcher:
    """Runs one task per draw and hands results back in `seq` order, whoever finishes first.

    Draws must be sent with consecutive `seq`, beginning with `next_seq`.
    """

    def __init__(
        self, produce: Callable[[Draw], Coroutine[Any, Any, Produced]], next_seq: int
    ) -> None:
        self.next_seq = next_seq
        self._produce = produce
        self._oldest = next_seq
        self._running: dict[asyncio.Task[Produced], Draw] = {}
        self._done: dict[int, Produced] = {}
        self._changed = asyncio.Event()
        self._recalled = "the batch stopped"

    @property
    def running(self) -> int:
        """Draws still being produced."""
        return len(self._running)

    @property
    def finished(self) -> int:
        """Draws that are done and not yet handed back; 0 while an earlier one holds them up."""
        return len(self._done) if self._oldest in self._done else 0

    @property
    def in_flight(self) -> int:
        """Draws sent and not yet handed back: running, or waiting for an earlier one."""
        return self.next_seq - self._oldest

    def send(self, draw: Draw) -> None:
        """Start producing this draw."""
        task = asyncio.create_task(self._produce(draw))
        self._running[task] = draw
        self.next_seq = draw.seq + 1
        task.add_done_callback(self._finish)

    def wake(self) -> None:
        """Make `wait` return."""
        self._changed.set()

    async def wait(self, seconds: float | None) -> None:
        """Return when something finished or `wake` was called, at the latest after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def take(self) -> list[Produced]:
        """Hand back what is finished, up to the first that is not."""
        ready = []
        while self._oldest in self._done:
            ready.append(self._done.pop(self._oldest))
            self._oldest += 1
        return ready

    async def recall(self, reason: str) -> list[Produced]:
        """Cancel what is running and hand everything back; the cancelled ones as failures."""
        self._recalled = reason
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        return self.take()

    def _finish(self, task: asyncio.Task[Produced]) -> None:
        draw = self._running.pop(task)
        if task.cancelled():
            produced = Produced(draw, error=f"cancelled: {self._recalled}")
        elif (exc := task.exception()) is not None:
            produced = Produced(draw, error=f"engine_error: {type(exc).__name__}: {exc}")
        else:
            produced = task.result()
        self._done[draw.seq] = produced
        self._changed.set()
