"""From the body of a request to its batch, with what the database holds for the caller."""

import asyncio

from service.runner import BatchRunner
from service.schemas import BatchBody, to_spec
from workers.types import BatchSpec


async def spec_of(
    body: BatchBody,
    runner: BatchRunner,
    tenant: str | None,
    *,
    idempotency_key: str | None = None,
) -> BatchSpec:
    """The batch that a tenant asked for, certified by its own calibration if it has uploaded one.

    Raises as `to_spec` does, and StoreError.
    """
    uploaded = None
    if body.gate.max_error_rate is not None and body.recipe in runner.recipes:
        kept = runner.store.calibrations
        uploaded = await runner.store.call(kept.get, tenant or "", body.recipe)
    return await asyncio.to_thread(
        to_spec,
        body,
        runner.settings,
        runner.recipes,
        idempotency_key=idempotency_key,
        tenant=tenant,
        uploaded=uploaded,
    )
