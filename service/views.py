"""What travels out about batches, in the words of the OpenAI Batch API."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from workers.costs import cost_of, totals_by_tenant
from workers.store import BatchRecord, Spending
from workers.types import Progress, Status

ENDED = (Status.COMPLETED, Status.FAILED, Status.EXPIRED, Status.CANCELLED)

Json = dict[str, Any]


def batch_object(record: BatchRecord, progress: Progress | None = None) -> Json:
    """One batch. Times are Unix seconds; `progress` may be fresher than the record's own."""
    now = progress or record.progress
    spec = record.spec
    return {
        "id": record.id,
        "object": "batch",
        "endpoint": "/v1/batches",
        "status": record.status,
        "recipe": spec.recipe,
        "model": spec.model,
        "count": spec.count,
        "sources": len(spec.sources),
        "seed": spec.seed,
        "thresholds": dict(spec.thresholds),
        "budget": spec.budget,
        "on_exhausted": "fail" if spec.fail_on_shortfall else "return_partial",
        "request_counts": {
            "total": spec.count,
            "accepted": now.accepted,
            "rejected": now.rejected,
            "failed": now.failed,
        },
        "rejected_by": dict(now.rejected_by),
        "pass_rate": _ratio(now.accepted, now.accepted + now.rejected),
        "stop_reason": record.stop_reason,
        "message": record.message,
        "certificate": spec.certificate,
        "cost": asdict(cost_of(now, record.price)),
        "created_at": record.created_at,
        "in_progress_at": record.started_at,
        **{
            f"{status}_at": record.ended_at if record.status is status else None for status in ENDED
        },
        "metadata": dict(spec.metadata),
        "tenant": record.tenant,
    }


def cost_rows(spent: Iterable[Spending]) -> list[Json]:
    """What batches have cost: a row for each tenant and currency."""
    found = totals_by_tenant((each.tenant, each.progress, each.price) for each in spent)
    return [{"tenant": tenant, **asdict(cost)} for tenant, cost in found]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
