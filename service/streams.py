"""Follows a batch through the store: what is there, then what comes, until the batch ends."""

from collections.abc import AsyncIterator, Callable, Iterator

from service.changes import wait
from service.errors import StreamBrokenError
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
    """The same, then every row as it is written; ends with the batch.

    Raises StreamBrokenError when this gateway stops before that.
    """
    ended = False
    async for record in states(runner, batch_id):
        async for row in read(runner.store, fetch, batch_id, after):
            after = row.seq
            yield row
        ended = record.status in ENDED
    if not ended:
        raise StreamBrokenError(f"the gateway stops while {batch_id} runs")


def read_all(fetch: Fetch, batch_id: str, after: int) -> Iterator[LedgerRow]:
    """As `read`; it blocks."""
    while page := fetch(batch_id, after, PAGE):
        yield from page
        after = page[-1].seq


async def states(runner: BatchRunner, batch_id: str) -> AsyncIterator[BatchRecord]:
    """The batch whenever it may have changed; ends with its last state, or with this gateway."""
    while not runner.closing:
        changed = runner.changes.next(batch_id)
        record = await runner.record(batch_id)
        yield record
        if record.status in ENDED:
            return
        await wait(changed, POLL_SECONDS)
