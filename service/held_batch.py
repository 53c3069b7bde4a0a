"""A batch that a database or a gateway holds, with its ledger, in the shapes of the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from service.client import GatewayClient
from service.settings import Settings
from service.sources import check_database
from service.streams import Fetch, read
from service.views import batch_object
from workers.ledger_lines import reject_line, sample_line
from workers.store import SqlStore
from workers.types import LedgerRow

Json = dict[str, Any]
Lines = Callable[[], AsyncIterator[Json]]


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """`state` is the batch object; `samples` and `rejects` read what there is by now, by `seq`."""

    state: Json
    samples: Lines
    rejects: Lines


@asynccontextmanager
async def held_there(url: str, api_key: str | None, batch_id: str) -> AsyncIterator[HeldBatch]:
    """The batch at a gateway. Raises GatewayError."""
    async with GatewayClient(url, api_key) as client:
        state = await client.get_batch(batch_id)
        yield HeldBatch(state, lambda: client.samples(batch_id), lambda: client.rejects(batch_id))


@asynccontextmanager
async def held_here(settings: Settings, batch_id: str) -> AsyncIterator[HeldBatch]:
    """The batch in the configured database. Raises InputError and StoreError."""
    check_database(settings.database_url)
    store = await asyncio.to_thread(SqlStore, settings.database_url)

    async def lines(fetch: Fetch, line: Callable[[str, LedgerRow], Json]) -> AsyncIterator[Json]:
        async for row in read(store, fetch, batch_id, -1):
            yield line(batch_id, row)

    try:
        yield HeldBatch(
            batch_object(await store.call(store.get_batch, batch_id)),
            lambda: lines(store.samples, sample_line),
            lambda: lines(store.rejects, reject_line),
        )
    finally:
        await asyncio.to_thread(store.close)
