"""What all batches of this database have cost."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from service.deps import Runner
from workers.costs import cost_of, totals

router = APIRouter(prefix="/v1", tags=["costs"])


@router.get("/costs")
async def costs(runner: Runner) -> dict[str, Any]:
    """The sums over all batches ever asked for here, the running ones as far as they are.

    One for each currency that batches were priced in, and one for those without a price.
    `saved_tokens` are estimates; `elapsed_seconds` of batches that ran side by side overlap.
    """
    spent = await runner.store.call(runner.store.spendings)
    found = totals([cost_of(progress, price) for progress, price in spent])
    return {"object": "list", "data": [asdict(cost) for cost in found]}
