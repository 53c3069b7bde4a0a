"""What is written of a batch that does not come to draw: cancelled, waiting, or never to run."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from workers.errors import StoreError
from workers.lease import Lease
from workers.store import SqlStore
from workers.types import BatchResult, Status, StopReason

Result = TypeVar("Result")


async def unless_cancelled(
    work: Coroutine[Any, Any, Result], cancel: asyncio.Event | None, lease: Lease
) -> Result | None:
    """What `work` returns; None, and `work` is stopped or not begun, once the batch is cancelled.

    Raises what `work` raises, and the lease's error when that is lost meanwhile.
    """
    asked = asyncio.Event()
    lease.on_change = asked.set
    if lease.cancel_requested or (cancel and cancel.is_set()):
        work.close()
        return None
    waits = [asked.wait(), *([cancel.wait()] if cancel else [])]
    stops: list[asyncio.Task[Any]] = [asyncio.create_task(each) for each in waits]
    working = asyncio.create_task(work)
    try:
        await asyncio.wait([working, *stops], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if lease.lost:
            raise lease.lost
        return None
    finally:
        for task in (working, *stops):
            task.cancel()
        await asyncio.wait([working, *stops])


class Ending:
    """Writes down how the batch of this lease stands when it can't draw."""

    def __init__(self, store: SqlStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease

    async def cancelled(self) -> BatchResult:
        """It was to be cancelled before it began."""
        counts = self._lease.record.progress
        message = f"{counts.accepted} of {counts.total} samples: {StopReason.CANCELLED}"
        return await self._ended(Status.CANCELLED, StopReason.CANCELLED, message)

    async def failed(self, error: Exception) -> BatchResult:
        """It can't run as it was asked for, and waiting mends nothing."""
        return await self._ended(Status.FAILED, StopReason.CANNOT_RUN, str(error))

    async def noted(self, error: Exception) -> None:
        """It waits for something; whoever asks for the batch learns what."""
        lease = self._lease
        with suppress(StoreError):
            await self._store.call(self._store.note, lease.record.id, str(error), lease.owner)

    async def _ended(self, status: Status, reason: StopReason, message: str) -> BatchResult:
        batch_id = self._lease.record.id
        await self._store.call(
            self._store.set_status,
            batch_id,
            status,
            stop_reason=reason,
            message=message,
            owner=self._lease.owner,
        )
        progress = await self._store.call(self._store.progress, batch_id)
        return BatchResult(status, reason, progress, message)
