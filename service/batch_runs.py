"""One batch for a command: in this process, or at a gateway. Either way the watcher sees the same.

A run in this process that is interrupted stays resumable; one at a gateway is cancelled there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from graders.novelty import protect_now
from service.assembly import open_backend, run_stored
from service.client import GatewayClient, GatewayError
from service.settings import Settings
from service.views import batch_object
from workers.engines.pool import EnginePool
from workers.ledger_lines import reject_line, sample_line
from workers.recipes import Recipe
from workers.store import SqlStore
from workers.types import BatchSpec, LedgerRow, Outcome, Progress

Json = dict[str, Any]
FINAL_SECONDS = 5.0
_PAGE = 1000


class Watcher(Protocol):
    """Is told what happens. Samples and rejects come in the shapes of the gateway.

    On resuming, what the batch has already is told first. `wants_rejects` asks for rejects.
    """

    wants_rejects: bool

    def batch(self, batch: Json) -> None: ...

    def sample(self, line: Json) -> None: ...

    def reject(self, line: Json) -> None: ...


async def run_here(
    settings: Settings,
    recipes: Mapping[str, Recipe],
    protect: Sequence[str],
    asked: BatchSpec | str,
    watcher: Watcher,
) -> Json:
    """Run a new batch, or resume the one with this id, to its end; the batch object then.

    Raises WorkerError and GraderError. Cancelling leaves it in the store, to be resumed.
    """
    backend = open_backend(settings, EnginePool(settings.models))
    store = await asyncio.to_thread(SqlStore, settings.database_url, settings.graders.novelty)
    try:
        if isinstance(asked, BatchSpec):
            await backend.ready(asked.model)
            record, _ = await store.call(store.create_batch, asked, None, settings.price)
        else:
            record = await store.call(store.get_batch, asked)

        def on_progress(progress: Progress, rows: list[LedgerRow]) -> None:
            for row in rows:
                _tell(record.id, row, watcher)
            watcher.batch(batch_object(record, progress))

        watcher.batch(batch_object(record))
        await _replay(store, record.id, watcher)
        protected = await asyncio.to_thread(protect_now, protect, settings.graders.novelty)
        await run_stored(
            record.id,
            store,
            backend,
            settings,
            recipes=recipes,
            protected=(protected,) if protect else (),
            on_progress=on_progress,
        )
        return batch_object(await store.call(store.get_batch, record.id))
    finally:
        await backend.aclose()
        await asyncio.to_thread(store.close)


async def run_there(
    url: str, asked: Json | str, watcher: Watcher, api_key: str | None = None
) -> Json:
    """Ask a gateway for a batch, or follow the one with this id, to its end. Raises GatewayError.

    Cancelling this also cancels the batch at the gateway.
    """
    async with GatewayClient(url, api_key) as client:
        if isinstance(asked, str):
            batch = await client.get_batch(asked)
        else:
            batch = await client.create_batch(asked)
        batch_id = batch["id"]
        watcher.batch(batch)
        try:
            async with asyncio.TaskGroup() as tasks:
                follow = tasks.create_task(_follow_samples(client, batch_id, watcher.sample))
                ended = tasks.create_task(_follow_events(client, batch_id, watcher.batch))
            async for line in client.samples(batch_id, after=follow.result()):
                watcher.sample(line)
            if watcher.wants_rejects:
                async for line in client.rejects(batch_id):
                    watcher.reject(line)
            return ended.result()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        except asyncio.CancelledError:
            with suppress(GatewayError, TimeoutError):
                async with asyncio.timeout(FINAL_SECONDS):
                    await client.cancel(batch_id)
            raise


async def _replay(store: SqlStore, batch_id: str, watcher: Watcher) -> None:
    """Tell what earlier runs admitted, and refused if that is wanted."""
    for read in (store.samples, store.rejects) if watcher.wants_rejects else (store.samples,):
        after = -1
        while rows := await store.call(read, batch_id, after, _PAGE):
            for row in rows:
                _tell(batch_id, row, watcher)
            after = rows[-1].seq


def _tell(batch_id: str, row: LedgerRow, watcher: Watcher) -> None:
    if row.outcome is Outcome.ACCEPTED:
        watcher.sample(sample_line(batch_id, row))
    elif watcher.wants_rejects:
        watcher.reject(reject_line(batch_id, row))


async def _follow_samples(
    client: GatewayClient, batch_id: str, tell: Callable[[Json], None]
) -> int:
    """Tell each sample as it is admitted; the `seq` of the last, should the stream break off."""
    last = -1
    async for line in client.follow_samples(batch_id):
        tell(line)
        last = line["seq"]
    return last


async def _follow_events(
    client: GatewayClient, batch_id: str, tell: Callable[[Json], None]
) -> Json:
    """Tell every change; the last state is asked for anew, should the stream break off early."""
    async for batch in client.events(batch_id):
        tell(batch)
    batch = await client.wait(batch_id)
    tell(batch)
    return batch
