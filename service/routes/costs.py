"""What batches have cost, by tenant."""

from typing import Any

from fastapi import APIRouter

from service.deps import Caller, Runner
from service.views import cost_rows

router = APIRouter(prefix="/v1", tags=["costs"])


@router.get("/costs")
async def costs(runner: Runner, tenant: Caller) -> dict[str, Any]:
    """The sums over all batches that the caller ever asked for, running ones as far as they are.

    One for each currency that batches were priced in, and one for those without a price; for each
    tenant, where the gateway tells nobody apart and shows all.
    `saved_tokens` are estimates; `elapsed_seconds` of batches that ran side by side overlap.
    """
    spent = await runner.store.call(runner.store.spendings, tenant)
    return {"object": "list", "data": cost_rows(spent)}
