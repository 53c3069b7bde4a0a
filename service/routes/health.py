"""Is the process alive, can it take work, what has it done."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from service.deps import Caller, Runner
from service.metrics import CONTENT_TYPE
from workers.errors import EngineUnavailableError

LOAD_SECONDS = 1.0

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(runner: Runner) -> dict[str, Any]:
    """The store answers and the default model is loaded; the first call begins to load it.

    503 while it loads, and with the reason when it can't be loaded.
    """
    await runner.store.call(runner.store.check)
    name = runner.settings.model_name
    try:
        async with asyncio.timeout(LOAD_SECONDS):
            await runner.backend.ready(name)
    except TimeoutError:
        raise EngineUnavailableError(f"{name} is still being loaded") from None
    return {"status": "ready", "model": name}


@router.get("/metrics")
async def metrics(runner: Runner, operator: Caller) -> Response:
    """Prometheus text, of all tenants: where there are keys it wants the operator's."""
    return Response(runner.metrics.render(), media_type=CONTENT_TYPE)
