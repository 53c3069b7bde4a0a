"""Runs a stored batch on this process's engines: puts together what the loop needs, and no sooner
than the batch is known to be this process's to run.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from graders.novelty import ProtectedTexts
from graders.panel import Panel
from graders.registry import NOVELTY, build_gate, build_graders
from graders.types import Candidate
from service.engines import EnginePool
from service.settings import Settings
from workers.errors import SpecError
from workers.lease import Lease
from workers.pipeline import OnProgress, run_batch
from workers.producer import EarlyAbort, LocalProducer, engine_complete
from workers.recipes import Recipe, load_recipe
from workers.store import SqlStore
from workers.store.records import UNFINISHED


async def run_stored(
    batch_id: str,
    store: SqlStore,
    engines: EnginePool,
    settings: Settings,
    *,
    recipes: Mapping[str, Recipe],
    protect: Sequence[str] = (),
    cancel: asyncio.Event | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Run a batch to its end; nothing happens to one that has ended. `protect` adds to its texts.

    The model is loaded under the batch's lease: a process that may not run it loads nothing.
    Raises BatchBusyError while another process holds it, and as `run_batch` does; SpecError,
    RecipeError, GraderConfigError and EngineUnavailableError for what is not to be had here.
    """
    async with Lease(store, batch_id, settings.lease_seconds) as lease:
        spec = lease.record.spec
        if lease.record.status not in UNFINISHED:
            return
        if spec.model not in settings.models:
            raise SpecError(f"{batch_id} was made with {spec.model}, which is not configured here")
        recipe = load_recipe(spec.recipe, dict(recipes))
        gate = build_gate(settings.graders, recipe.graders, spec.thresholds)
        stateless = gate.requiring(name for name in gate.required if name != NOVELTY)
        engine = await engines.get(spec.model)
        graders = build_graders(settings.graders, recipe.graders, engine_complete(engine))
        panel = Panel(graders, stateless)
        texts = (*protect, *spec.protect)

        def novelty_text(candidate: Candidate) -> str:
            return candidate.fields.get(recipe.novelty_field) or candidate.body

        await panel.start()
        try:
            await run_batch(
                batch_id,
                spec,
                LocalProducer(
                    engine,
                    recipe,
                    panel,
                    batch_id,
                    early_abort=_early_abort(panel),
                    time_limit=settings.candidate_timeout_seconds,
                    turns=engines.turns(spec.model),
                ),
                store,
                gate=gate,
                novelty_text=novelty_text,
                protected=ProtectedTexts(texts) if texts else None,
                cancel=cancel,
                on_progress=on_progress,
                lease=lease,
            )
        finally:
            await panel.aclose()


def _early_abort(panel: Panel) -> EarlyAbort | None:
    """The streaming check of the first grader that has one."""
    checks = (getattr(grader, "early_abort", None) for grader in panel.graders)
    return cast("EarlyAbort | None", next((check for check in checks if check), None))
