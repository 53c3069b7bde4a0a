"""`mode: batch` of a batch job: the closed loop over a stored batch, then Parquet and a card.

The ledger in the database is the truth: the job's key finds the batch again, and what is written
out is read from there.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from workers.backends.base import Backend
from workers.batch_config import CANDIDATES_PER_SAMPLE, SPARE_CANDIDATES, GatedConfig
from workers.batch_progress import JobProgress
from workers.compose import open_backend, run_stored
from workers.costs import cost_of, in_words
from workers.dataset_card import dataset_card
from workers.engines.pool import EnginePool
from workers.errors import (
    BatchBusyError,
    BatchNotFoundError,
    IdempotencyConflictError,
    SpecError,
    StoreError,
    StoreFullError,
)
from workers.inputs import read_sources
from workers.ledger_lines import reject_line, sample_line
from workers.output_folder import CARD, Counts, OutputFolder
from workers.recipes import Recipe, known_recipes, load_recipe
from workers.store import BatchRecord, SqlStore
from workers.types import BatchSpec, Budget, LedgerRow, Progress, Status

logger = logging.getLogger(__name__)
OUTLAST_SECONDS = 60.0
"""How long a job waits for a database that is away, or a lease that a killed run left behind."""
PAUSE_SECONDS = 1.0
_PAGE = 1000


async def run_gated(config: GatedConfig, progress: JobProgress) -> BatchRecord:
    """Run the batch of this job to its end, or on from where it was; write the output folder.

    Raises SpecError, ExportError and RecipeError before anything is generated, and as
    `run_stored` does. Cancelling leaves the batch to be resumed.
    """
    recipes = known_recipes(map(Path, config.recipe_files))
    spec = await asyncio.to_thread(spec_of, config, recipes)
    folder = OutputFolder(config.out)
    await asyncio.to_thread(folder.claim, config.key, config.model_dump(mode="json"))
    async with AsyncExitStack() as opened:
        store = await asyncio.to_thread(SqlStore, config.database_url, config.graders.novelty)
        opened.push_async_callback(asyncio.to_thread, store.close)
        record = await asyncio.to_thread(_find_or_create, store, spec, config)
        progress.event("started", batch_id=record.id, status=record.status, out=config.out)
        backend = open_backend(config.backend, EnginePool(config.models), config.graders)
        opened.push_async_callback(backend.aclose)
        await _run(record, store, backend, config, recipes, progress)
        record = await store.call(store.get_batch, record.id)
        await asyncio.to_thread(_write_out, record, store, folder, config)
    counts = _counts(record.progress)
    progress.cost(cost_of(record.progress, record.price))
    progress.event("finished", status=record.status, stop_reason=record.stop_reason, counts=counts)
    return record


def spec_of(config: GatedConfig, recipes: dict[str, Recipe]) -> BatchSpec:
    """The request that the job makes. Raises SpecError and RecipeError."""
    recipe = load_recipe(config.recipe, recipes)
    for name in config.thresholds:
        if name not in recipe.graders:
            used = ", ".join(recipe.graders)
            raise SpecError(f"thresholds: {name!r} is no grader of {recipe.name}; it uses: {used}")
    asked = config.budget
    most = asked.max_candidates or CANDIDATES_PER_SAMPLE * config.count + SPARE_CANDIDATES
    return BatchSpec(
        recipe=config.recipe,
        count=config.count,
        sources=read_sources(config.sources),
        model=config.model_name,
        seed=config.seed,
        budget=Budget(most, asked.max_tokens, asked.max_seconds, asked.max_money),
        thresholds=config.thresholds,
        protect=tuple(source.text for texts in config.protect for source in read_sources(texts)),
        fail_on_shortfall=config.on_exhausted == "fail",
        metadata={"job": config.key[:16]},
    )


def _find_or_create(store: SqlStore, spec: BatchSpec, config: GatedConfig) -> BatchRecord:
    try:
        return store.create_batch(spec, f"job:{config.key}", config.price)[0]
    except IdempotencyConflictError as exc:
        raise SpecError(
            "the sources have changed since this job began: put them back to finish it, or name a "
            "new `out` for a new batch"
        ) from exc


async def _run(
    record: BatchRecord,
    store: SqlStore,
    backend: Backend,
    config: GatedConfig,
    recipes: dict[str, Recipe],
    progress: JobProgress,
) -> None:
    """Run the stored batch, over again while the database or another's lease keeps it waiting.

    The patience is counted from the first time that it had to wait since the last admission.
    """
    waiting_since: float | None = None

    def on_progress(now: Progress, rows: list[LedgerRow]) -> None:
        nonlocal waiting_since
        if rows:
            waiting_since = None
        progress.update(_counts(now), cost_of(now, record.price))

    while True:
        try:
            await run_stored(
                record.id,
                store,
                backend,
                config.graders,
                recipes=recipes,
                time_limit=config.candidate_timeout_seconds,
                lease_seconds=config.lease_seconds,
                on_progress=on_progress,
            )
            return
        except (StoreFullError, BatchNotFoundError):
            raise
        except StoreError as exc:
            waiting_since = waiting_since or time.monotonic()
            if time.monotonic() - waiting_since > OUTLAST_SECONDS + config.lease_seconds:
                raise
            event = "waiting" if isinstance(exc, BatchBusyError) else "database_away"
            progress.event(event, message=str(exc))
            await asyncio.sleep(PAUSE_SECONDS)


def _write_out(
    record: BatchRecord, store: SqlStore, folder: OutputFolder, config: GatedConfig
) -> None:
    """Samples, rejects and the card; the samples are left out when a shortfall was not allowed."""
    counts = _counts(record.progress)
    if record.status is Status.COMPLETED or not record.spec.fail_on_shortfall:
        with folder.export("data/samples.parquet") as export:
            for row in _pages(store.samples, record.id):
                export.write(sample_line(record.id, row))
    if counts.rejected or counts.failed:
        with folder.export("rejects/rejects.parquet") as export:
            for row in _pages(store.rejects, record.id):
                export.write(reject_line(record.id, row))
    folder.write(CARD, _card(record, counts, config).encode())


def _pages(read: Callable[[str, int, int], list[LedgerRow]], batch_id: str) -> Iterator[LedgerRow]:
    after = -1
    while rows := read(batch_id, after, _PAGE):
        yield from rows
        after = rows[-1].seq


def _card(record: BatchRecord, counts: Counts, config: GatedConfig) -> str:
    spec = record.spec
    rejected = ", ".join(f"{name} {count}" for name, count in record.progress.rejected_by.items())
    facts = {
        "recipe": spec.recipe,
        "model": f"{spec.model} ({config.models[spec.model].model}), seed {spec.seed}",
        "sources": len(spec.sources),
        "asked for": spec.count,
        "ended": f"{record.status} ({record.stop_reason})",
        "rejected by": rejected or "none",
        "tokens": f"{record.progress.prompt_tokens} read, "
        f"{record.progress.completion_tokens} written",
        "cost": in_words(cost_of(record.progress, record.price)),
        "batch": record.id,
    }
    return dataset_card(f"{spec.recipe}, {counts.accepted} samples", counts, facts)


def _counts(progress: Progress) -> Counts:
    return Counts(progress.accepted, progress.rejected, progress.failed)
