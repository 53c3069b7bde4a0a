"""Follows a batch through the store: what is there, then what comes, until the batch ends."""

from collections.abc import AsyncIterator, Callable

from service.changes import wait
from service.runner import BatchRunner
from service.views import ENDED
from workers.store import BatchRecord, SqlStore
from workers.types import LedgerRow

PAGE = 200
POLL_SECONDS = 1.0
"""How long a change made by another process on the same database can go unseen."""

Fetch = Callable[[str, int, int], list[LedgerRow]]
"""The store's `samples` or `rejects`: batch id, after which `seq`, at most how many."""


async def read(
    store: SqlStore, fetch: Fetch, batch_id: str, after: int
) -> AsyncIterator[LedgerRow]:
    """What the ledger holds now, in `seq` order, page by page."""
    while True:
        page = await store.call(fetch, batch_id, after, PAGE)
        for row in page:
            yield row
        if len(page) < PAGE:
            return
        after = page[-1].seq


async def follow(
    runner: BatchRunner, fetch: Fetch, batch_id: str, after: int
) -> AsyncIterator[LedgerRow]:
    """The same, then every row as it is written; ends with the batch, or with this gateway."""
    async for _ in states(runner, batch_id):
        async for row in read(runner.store, fetch, batch_id, after):
            after = row.seq
            yield row


async def states(runner: BatchRunner, batch_id: str) -> AsyncIterator[BatchRecord]:
    """The batch whenever it may have changed; ends with its last state, or with this gateway."""
    while True:
        changed = runner.changes.next(batch_id)
        record = await runner.record(batch_id)
        yield record
        if record.status in ENDED or runner.closing:
            return
        await wait(changed, POLL_SECONDS)
