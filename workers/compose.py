"""Puts a batch together: its recipe, its gate, a producer on some backend, and the loop.

Whoever runs batches, the gateway or a job on a cluster, runs them through `run_stored`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from graders.config import GradersConfig
from graders.errors import GraderError
from graders.gate import Gate
from graders.novelty import ProtectedTexts, protect_now
from graders.registry import NOVELTY, build_gate
from graders.types import Candidate
from workers.backends.base import Backend, Job
from workers.backends.config import BackendConfig, RayConfig, check_placed
from workers.backends.local import LocalBackend
from workers.endings import Ending, unless_cancelled
from workers.engines.pool import EnginePool
from workers.errors import (
    EngineError,
    EngineUnavailableError,
    NotConfiguredError,
    RecipeError,
    SpecError,
)
from workers.lease import LEASE_SECONDS, Lease
from workers.pipeline import OnProgress, run_batch
from workers.producer import TIME_LIMIT, Producer
from workers.recipes import Recipe, load_recipe
from workers.store import BatchRecord, SqlStore
from workers.store.records import UNFINISHED
from workers.types import BatchResult, BatchSpec


def open_backend(config: BackendConfig, engines: EnginePool, graders: GradersConfig) -> Backend:
    """The backend of this configuration; it loads and connects to nothing before it must.

    On `ray` the models of `engines` are loaded by actors. Raises EngineUnavailableError when Ray
    is not installed, GraderConfigError for a grader that can't be placed.
    """
    if not isinstance(config, RayConfig):
        return LocalBackend(engines, graders)
    check_placed(config.graders_on, graders)
    try:
        from workers.backends.ray_backend import RayBackend
    except ModuleNotFoundError as exc:
        raise EngineUnavailableError(
            f"the ray backend needs {exc.name}: pip install 'winnow[ray]'"
        ) from exc
    return RayBackend(config, engines.configs, graders)


async def run_stored(
    batch_id: str,
    store: SqlStore,
    backend: Backend,
    graders: GradersConfig,
    *,
    recipes: Mapping[str, Recipe],
    protected: Sequence[ProtectedTexts] = (),
    time_limit: float = TIME_LIMIT,
    lease_seconds: float = LEASE_SECONDS,
    cancel: asyncio.Event | None = None,
    on_progress: OnProgress | None = None,
    check: Callable[[BatchSpec], None] | None = None,
) -> BatchResult | None:
    """Run a batch to its end; None, and nothing happens, if it has ended already.

    `protected` adds to the texts that it must not repeat. The model is loaded under the batch's
    lease: a process that may not run it loads nothing, and nothing is loaded for a batch that is
    to be cancelled. A batch that can run nowhere as it was asked for fails (`cannot_run`). `check`
    raises NotConfiguredError for one that this process may not run as it is configured.

    Raises BatchBusyError while another process holds it, and as `run_batch` does;
    NotConfiguredError, RecipeError, GraderError and EngineUnavailableError for what is not to be
    had here now: the batch's message says so, and it is left to a later run, or another process.
    """
    async with Lease(store, batch_id, lease_seconds) as lease:
        if lease.record.status not in UNFINISHED:
            return None
        ending = Ending(store, lease)
        try:
            async with AsyncExitStack() as opened:
                made = _prepare(
                    lease.record, opened, backend, graders, recipes, protected, time_limit, check
                )
                ready = await unless_cancelled(made, cancel, lease)
                if ready is None:
                    return await ending.cancelled()
                return await run_batch(
                    batch_id,
                    lease.record.spec,
                    ready.producer,
                    store,
                    gate=ready.gate,
                    novelty_text=ready.novelty_text,
                    protected=ready.protected,
                    cancel=cancel,
                    on_progress=on_progress,
                    lease=lease,
                )
        except (NotConfiguredError, RecipeError, EngineError, GraderError) as exc:
            await ending.noted(exc)
            raise
        except SpecError as exc:
            return await ending.failed(exc)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a run needs, loaded."""

    producer: Producer
    gate: Gate
    novelty_text: Callable[[Candidate], str]
    protected: Sequence[ProtectedTexts]


async def _prepare(
    record: BatchRecord,
    opened: AsyncExitStack,
    backend: Backend,
    graders: GradersConfig,
    recipes: Mapping[str, Recipe],
    protected: Sequence[ProtectedTexts],
    time_limit: float,
    check: Callable[[BatchSpec], None] | None,
) -> _Ready:
    spec = record.spec
    if spec.model not in backend.models:
        raise NotConfiguredError(
            f"{record.id} was made with {spec.model}, which is not configured here"
        )
    if check:
        await asyncio.to_thread(check, spec)
    recipe = load_recipe(spec.recipe, dict(recipes))
    gate = build_gate(graders, recipe.graders, spec.thresholds)
    stateless = gate.requiring(name for name in gate.required if name != NOVELTY)
    if spec.protect:
        own = await asyncio.to_thread(protect_now, spec.protect, graders.novelty)
        protected = (*protected, own)

    def novelty_text(candidate: Candidate) -> str:
        return candidate.fields.get(recipe.novelty_field) or candidate.body

    job = Job(record.id, recipe, spec.model, stateless, spec.certificate, time_limit)
    producer = await opened.enter_async_context(backend.producer(job))
    return _Ready(producer, gate, novelty_text, protected)
