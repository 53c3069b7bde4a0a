"""What travels out: the batch object in the words of the OpenAI Batch API, and rows of a ledger."""

from typing import Any

from graders.types import Grade
from workers.store import BatchRecord
from workers.types import LedgerRow, Progress, Status

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
        "certificate": None,
        "cost": _cost(now),
        "created_at": record.created_at,
        "in_progress_at": record.started_at,
        **{
            f"{status}_at": record.ended_at if record.status is status else None for status in ENDED
        },
        "metadata": dict(spec.metadata),
    }


def sample_line(batch_id: str, row: LedgerRow) -> Json:
    """One admitted candidate with its grades and provenance."""
    candidate = row.candidate
    assert candidate is not None, "what was admitted has a text"
    return {
        "batch_id": batch_id,
        "seq": row.seq,
        "recipe": candidate.recipe,
        "source_id": row.source_id,
        "fields": dict(candidate.fields),
        "text": candidate.text,
        "model": candidate.model,
        "seed": candidate.seed,
        "grades": [_grade(grade, set()) for grade in row.grades],
        "prompt_tokens": candidate.prompt_tokens,
        "completion_tokens": candidate.completion_tokens,
    }


def reject_line(batch_id: str, row: LedgerRow) -> Json:
    """One candidate that was kept out, with every reason and its evidence, or that failed."""
    candidate = row.candidate
    failures = row.verdict.failures if row.verdict else ()
    failing = {failure.grader for failure in failures}
    return {
        "batch_id": batch_id,
        "seq": row.seq,
        "outcome": row.outcome,
        "source_id": row.source_id,
        "text": candidate.text if candidate else None,
        "fields": dict(candidate.fields) if candidate else {},
        "malformed": candidate.malformed if candidate else None,
        "reasons": failures,
        "error": row.error,
        "grades": [_grade(grade, failing) for grade in row.grades],
        "model": candidate.model if candidate else None,
        "seed": candidate.seed if candidate else None,
        "prompt_tokens": candidate.prompt_tokens if candidate else 0,
        "completion_tokens": candidate.completion_tokens if candidate else 0,
    }


def _grade(grade: Grade, failing: set[str]) -> Json:
    return {
        "grader": grade.grader,
        "version": grade.version,
        "score": grade.score,
        "passed": None if grade.score is None else grade.grader not in failing,
        "ungraded": grade.ungraded,
        "evidence": grade.evidence,
    }


def _cost(progress: Progress) -> Json:
    spent = {
        "prompt_tokens": progress.prompt_tokens,
        "completion_tokens": progress.completion_tokens,
        "engine_seconds": progress.engine_seconds,
        "grader_seconds": progress.grader_seconds,
    }
    drawn = progress.accepted + progress.rejected + progress.failed
    each = {"candidates": drawn, **spent}
    per_accepted = {name: _ratio(value, progress.accepted) for name, value in each.items()}
    return {**spent, "elapsed_seconds": progress.elapsed_seconds, "per_accepted": per_accepted}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
