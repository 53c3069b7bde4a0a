"""Runs a stored batch as this gateway, or this command, is configured."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from graders.novelty import ProtectedTexts
from service.certificates import check_still_holds
from service.settings import Settings
from workers import compose
from workers.backends.base import Backend
from workers.engines.pool import EnginePool
from workers.pipeline import OnProgress
from workers.recipes import Recipe
from workers.store import SqlStore


def open_backend(settings: Settings, engines: EnginePool) -> Backend:
    """Where this configuration has candidates produced. Raises as `compose.open_backend` does."""
    return compose.open_backend(settings.backend, engines, settings.graders)


async def run_stored(
    batch_id: str,
    store: SqlStore,
    backend: Backend,
    settings: Settings,
    *,
    recipes: Mapping[str, Recipe],
    protected: Sequence[ProtectedTexts] = (),
    cancel: asyncio.Event | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Run a batch to its end; see `compose.run_stored`, also for what it raises."""
    await compose.run_stored(
        batch_id,
        store,
        backend,
        settings.graders,
        recipes=recipes,
        protected=protected,
        time_limit=settings.candidate_timeout_seconds,
        lease_seconds=settings.lease_seconds,
        cancel=cancel,
        on_progress=on_progress,
        check=partial(check_still_holds, settings),
    )
