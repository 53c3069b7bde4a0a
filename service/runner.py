"""Runs the batches of a gateway as tasks, some at a time, and picks up those that were left.

What the store says is the truth: any number of runners may share one database, the lease on a
batch decides which of them runs it, and one that dies leaves its batches to the others.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from graders.base import Complete, Model
from graders.errors import GraderError
from graders.novelty import ProtectedTexts, protect_now
from service.assembly import open_backend, run_stored
from service.changes import Changes
from service.errors import RequestError
from service.metrics import Metrics
from service.settings import ConfigurationError, Settings
from service.sources import read_texts
from workers.engines.pool import EnginePool
from workers.errors import BatchBusyError, WorkerError
from workers.producer import engine_complete
from workers.recipes import Recipe, known_recipes
from workers.shared_work import SharedWork
from workers.store import BatchRecord, SqlStore
from workers.types import BatchSpec, LedgerRow, Progress

logger = logging.getLogger(__name__)

RESUME_SECONDS = 2.0
"""How often to look for batches that nobody runs."""
FAIL_FAST_SECONDS = 2.0
"""How long a request waits for its model's load to fail."""
RETRY_SECONDS = 15.0
"""How long a batch that stopped for want of something (a model, room on the disk) is left alone."""
LONGEST_PAUSE = 120.0
"""And when it has stopped again and again without an admission."""


@dataclass(eq=False)
class _Run:
    """One batch that this process runs or is about to run."""

    batch_id: str
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    progress: Progress | None = None
    admitted: bool = False
    task: asyncio.Task[None] | None = None


class BatchRunner:
    """Owns the store, the engines and the tasks. Start it within the event loop that serves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.recipes: dict[str, Recipe] = {}
        self.engines = EnginePool(settings.models)
        self.backend = open_backend(settings, self.engines)
        self.changes = Changes()
        self.metrics = Metrics(lambda: self._running)
        self.store: SqlStore
        self.closing = False
        self._protected: asyncio.Future[tuple[ProtectedTexts, ...]] | None = None
        self._tied: set[str] = set()
        self._loads: dict[str, SharedWork[None]] = {}
        self._runs: dict[str, _Run] = {}
        self._not_before: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self._running = 0
        self._started = False
        self._turn = asyncio.Condition()
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the store, read the files that the configuration names, resume what was left.

        Does nothing when it has started. Raises StoreError, RecipeError and InputError;
        ConfigurationError where tenants have batches and nobody needs a key.
        """
        if self._started:
            return
        self.recipes = known_recipes(self.settings.recipe_files)
        texts = read_texts(self.settings.protect_files)
        self.store = await asyncio.to_thread(
            SqlStore, self.settings.database_url, self.settings.graders.novelty
        )
        settings = self.settings
        keyed = settings.tenants or settings.operator_key_sha256
        if not keyed and await self.store.call(self.store.has_tenants):
            await asyncio.to_thread(self.store.close)
            raise ConfigurationError(
                "this database has batches of tenants, and no key is configured: everybody would "
                "see them. Is winnow.toml the right one? Else add a key, by `winnow key --operator`"
            )
        self._started = True
        if texts:
            self._protected = asyncio.ensure_future(self._protect(texts))
        self._in_background(self._resume_forever())

    async def aclose(self) -> None:
        """Release every lease, leaving the batches resumable; end all streams; unload models.

        Batches whose only client loses its stream by that are to be cancelled.
        """
        if self.closing:
            return
        self.closing = True
        tasks: set[asyncio.Future[Any]] = {run.task for run in self._runs.values() if run.task}
        tasks |= self._background | ({self._protected} if self._protected else set())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for load in self._loads.values():
            await load.aclose()
        for batch_id in self._tied:
            with contextlib.suppress(WorkerError):
                await self.store.call(self.store.request_cancel, batch_id)
        self.changes.announce_all()
        await self.backend.aclose()
        await self.engines.aclose()
        await asyncio.to_thread(self.store.close)

    async def submit(
        self, spec: BatchSpec, key: str | None = None, tenant: str | None = None
    ) -> tuple[BatchRecord, bool]:
        """Store a tenant's batch and start it; the flag is False when the key had made it before.

        Raises EngineUnavailableError, before anything is stored, when the model is known at once
        not to load; one that takes its time loads while the batch waits. Raises
        IdempotencyConflictError and StoreError.
        """
        if key is not None:
            known = await self.store.call(self.store.find_by_key, spec, key, tenant)
            if known is not None:
                return known, False
        await self._begin_load(spec.model)
        price = self.settings.price
        record, created = await self.store.call(self.store.create_batch, spec, key, price, tenant)
        if created:
            self._launch(record.id)
        return record, created

    async def protected(self) -> tuple[ProtectedTexts, ...]:
        """What `protect_files` hold, made ready once. Raises GraderConfigError."""
        return await asyncio.shield(self._protected) if self._protected else ()

    async def ask(self, model: str) -> Complete:
        """This model for graders of texts that are there already; batches get their turns, too.

        Raises EngineUnavailableError, and RequestError where the models are on a cluster.
        """
        self._require_local()
        engine = await self.engines.get(model)
        return engine_complete(engine, self.engines.turns(model))

    def model(self, name: str) -> Model:
        """Another configured model, for graders of texts that are there already. Raises as `ask`
        and as `EnginePool.model` do.
        """
        self._require_local()
        return self.engines.model(name)

    def _require_local(self) -> None:
        if self.settings.backend.kind != "local":
            raise RequestError(
                "model",
                "this gateway's models are on a cluster, where only batches ask them: leave out "
                "what asks one, or use `mode: grade` of `winnow batch`",
            )

    async def record(self, batch_id: str) -> BatchRecord:
        """The batch as stored. Raises BatchNotFoundError."""
        return await self.store.call(self.store.get_batch, batch_id)

    async def cancel(self, batch_id: str) -> BatchRecord:
        """Ask a batch to stop, whoever runs it; one that has ended is left as it is."""
        record = await self.store.call(self.store.request_cancel, batch_id)
        self._not_before.pop(batch_id, None)
        run = self._runs.get(batch_id)
        if run is not None:
            run.cancel.set()
            async with self._turn:
                self._turn.notify_all()
        self.changes.announce(batch_id)
        return record

    def tie(self, batch_id: str) -> None:
        """This batch is for one client only, whose stream ends when this gateway stops."""
        self._tied.add(batch_id)

    def untie(self, batch_id: str, *, served: bool) -> None:
        """The stream has ended; cancel the batch, without waiting for it, unless it was served."""
        self._tied.discard(batch_id)
        if served or self.closing:
            return

        async def cancel() -> None:
            with contextlib.suppress(WorkerError):
                await self.cancel(batch_id)

        self._in_background(cancel())

    async def _begin_load(self, model: str) -> None:
        """Have the model loaded; wait for that no longer than a wrong one takes to be found out."""
        if self.backend.loaded(model):
            return
        if model not in self._loads:
            self._loads[model] = SharedWork(f"load {model}", lambda: self.backend.ready(model))
        loading = self._loads[model].begin()
        done, _ = await asyncio.wait([loading], timeout=FAIL_FAST_SECONDS)
        if done:
            await loading

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _launch(self, batch_id: str) -> None:
        if self.closing or batch_id in self._runs:
            return
        run = self._runs[batch_id] = _Run(batch_id)
        run.task = asyncio.create_task(self._execute(run), name=batch_id)

    async def _resume_forever(self) -> None:
        """Launch what nobody runs: left by a process that died, or by one short of something."""
        while True:
            try:
                for batch_id in await self.store.call(self.store.unfinished):
                    if self._not_before.get(batch_id, 0.0) <= time.monotonic():
                        self._launch(batch_id)
            except WorkerError as exc:
                logger.warning("can't look for batches to resume: %s", exc)
            await asyncio.sleep(RESUME_SECONDS)

    async def _execute(self, run: _Run) -> None:
        """Run one batch when it is its turn. Whatever stops it, the ledger stays as it is."""
        try:
            async with self._turn:
                await self._turn.wait_for(lambda: self._has_room() or run.cancel.is_set())
                self._running += 1
            try:
                await self._run(run)
            finally:
                self._running -= 1
                async with self._turn:
                    self._turn.notify_all()
        except BatchBusyError as exc:
            logger.info("%s is left to another process: %s", run.batch_id, exc)
        except (WorkerError, GraderError) as exc:
            logger.error("%s stopped, to be resumed: %s", run.batch_id, exc)
            self._leave_alone(run)
        except Exception:
            logger.exception("%s stopped, to be resumed", run.batch_id)
            self._leave_alone(run)
        else:
            self._not_before.pop(run.batch_id, None)
            self._pauses.pop(run.batch_id, None)
        finally:
            del self._runs[run.batch_id]
            self.changes.announce(run.batch_id)

    async def _protect(self, texts: Sequence[str]) -> tuple[ProtectedTexts, ...]:
        return (await asyncio.to_thread(protect_now, texts, self.settings.graders.novelty),)

    def _leave_alone(self, run: _Run) -> None:
        """Resume the batch later; ever later, while its runs spend work and admit nothing."""
        pause = RETRY_SECONDS
        if not run.admitted:
            pause = min(2 * self._pauses.get(run.batch_id, RETRY_SECONDS / 2), LONGEST_PAUSE)
        self._pauses[run.batch_id] = pause
        self._not_before[run.batch_id] = time.monotonic() + pause

    def _has_room(self) -> bool:
        return self._running < self.settings.max_running_batches

    async def _run(self, run: _Run) -> None:
        record = await self.record(run.batch_id)

        def on_progress(progress: Progress, rows: list[LedgerRow]) -> None:
            if run.progress is not None:
                self.metrics.observe(run.progress, progress, record.price, record.tenant)
            run.progress = progress
            run.admitted |= bool(rows)
            self.changes.announce(run.batch_id)

        await run_stored(
            run.batch_id,
            self.store,
            self.backend,
            self.settings,
            recipes=self.recipes,
            protected=await self.protected(),
            cancel=run.cancel,
            on_progress=on_progress,
        )
