"""Puts a batch together: its recipe, its gate, a producer on some backend, and the loop.

Whoever runs batches, the gateway or a job on a cluster, runs them through `run_stored`.
"""

import asyncio
from collections.abc import Mapping, Sequence

from graders.config import GradersConfig
from graders.novelty import protect_now
from graders.registry import NOVELTY, build_gate
from graders.types import Candidate
from workers.backends.base import Backend, Job
from workers.backends.config import BackendConfig, RayConfig, check_placed
from workers.backends.local import LocalBackend
from workers.engines.pool import EnginePool
from workers.errors import EngineUnavailableError, SpecError
from workers.lease import LEASE_SECONDS, Lease
from workers.pipeline import OnProgress, run_batch
from workers.producer import TIME_LIMIT
from workers.recipes import Recipe, load_recipe
from workers.store import SqlStore
from workers.store.records import UNFINISHED
from workers.types import BatchResult


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
    protect: Sequence[str] = (),
    time_limit: float = TIME_LIMIT,
    lease_seconds: float = LEASE_SECONDS,
    cancel: asyncio.Event | None = None,
    on_progress: OnProgress | None = None,
) -> BatchResult | None:
    """Run a batch to its end; None, and nothing happens, if it has ended already.

    `protect` adds to the texts that it must not repeat. The model is loaded under the batch's
    lease: a process that may not run it loads nothing. Raises BatchBusyError while another
    process holds it, and as `run_batch` does; SpecError, RecipeError, GraderConfigError and
    EngineUnavailableError for what is not to be had here.
    """
    async with Lease(store, batch_id, lease_seconds) as lease:
        spec = lease.record.spec
        if lease.record.status not in UNFINISHED:
            return None
        if spec.model not in backend.models:
            raise SpecError(f"{batch_id} was made with {spec.model}, which is not configured here")
        recipe = load_recipe(spec.recipe, dict(recipes))
        gate = build_gate(graders, recipe.graders, spec.thresholds)
        stateless = gate.requiring(name for name in gate.required if name != NOVELTY)
        texts = (*protect, *spec.protect)

        def novelty_text(candidate: Candidate) -> str:
            return candidate.fields.get(recipe.novelty_field) or candidate.body

        job = Job(batch_id, recipe, spec.model, stateless, spec.certificate, time_limit)
        async with backend.producer(job) as producer:
            return await run_batch(
                batch_id,
                spec,
                producer,
                store,
                gate=gate,
                novelty_text=novelty_text,
                protected=protect_now(texts, graders.novelty) if texts else None,
                cancel=cancel,
                on_progress=on_progress,
                lease=lease,
            )
