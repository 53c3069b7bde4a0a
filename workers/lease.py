"""Holds a batch while it runs, so that no other process on the same database runs it too."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import uuid4

from workers.errors import BatchBusyError, StoreError
from workers.store import BatchRecord, SqlStore
from workers.types import Status

LEASE_SECONDS = 10.0


class Lease:
    """An async context that claims a batch, renews the claim, and releases it in the end.

    Entering raises BatchBusyError while another process holds the batch. `lost` is set when the
    lease could not be renewed in time; `cancel_requested` when someone asked through the
    database to cancel the batch. `on_change` is called after either changes.
    """

    def __init__(self, store: SqlStore, batch_id: str, seconds: float = LEASE_SECONDS) -> None:
        self.owner = uuid4().hex
        self.lost: StoreError | None = None
        self.cancel_requested = False
        self.on_change: Callable[[], None] = _nothing
        self.record: BatchRecord
        self._store = store
        self._batch_id = batch_id
        self._seconds = seconds
        self._renewal: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self.record = await self._store.call(
            self._store.claim, self._batch_id, self.owner, self._seconds
        )
        self.cancel_requested = self.record.status is Status.CANCELLING
        self._renewal = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._renewal.cancel()
        # A lease that can't be released expires by itself.
        with contextlib.suppress(StoreError):
            await self._store.call(self._store.release, self._batch_id, self.owner)

    async def _keep(self) -> None:
        expires = time.monotonic() + self._seconds
        while self.lost is None:
            await asyncio.sleep(self._seconds / 3)
            began = time.monotonic()
            try:
                status = await self._store.call(
                    self._store.renew, self._batch_id, self.owner, self._seconds
                )
            except BatchBusyError as exc:
                self.lost = exc
            except StoreError as exc:
                self.lost = exc if time.monotonic() > expires else None
            else:
                expires = began + self._seconds
                self.cancel_requested = self.cancel_requested or status is Status.CANCELLING
            if self.lost or self.cancel_requested:
                self.on_change()


def _nothing() -> None:
    """Nobody listens yet."""
