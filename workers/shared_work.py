"""Work that several callers wait for, and that none of them may spoil: a load, a connection."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class SharedWork(Generic[Result]):
    """Runs `work` once for all who ask for it while it runs; whoever asks later begins it anew.

    A caller that is cancelled leaves it running for the others. What it raises, every caller gets.
    """

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[Result] | None = None

    async def run(self) -> Result:
        """Join the run under way, or begin one; its result."""
        return await asyncio.shield(self.begin())

    def begin(self) -> "asyncio.Task[Result]":
        """The run under way, begun if there is none. A failure of it is logged."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name=self._name)
            self._task.add_done_callback(_retrieve)
        return self._task

    async def wait(self) -> None:
        """Wait until no run is under way, however it ends."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Cancel the run under way, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            await self.wait()


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Whoever asked may be gone; the failure is logged and never 'never retrieved'."""
    if not task.cancelled() and (error := task.exception()):
        logger.error("%s failed: %s", task.get_name(), error)
