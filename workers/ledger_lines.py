"""The rows of a ledger as they leave: samples and rejects, over HTTP and in files alike."""

from typing import Any

from graders.types import Grade
from workers.types import LedgerRow

Json = dict[str, Any]


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
        "grading_tokens": candidate.grading_tokens,
        "engine_seconds": candidate.engine_seconds,
        "grading_engine_seconds": candidate.grading_engine_seconds,
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
        "grading_tokens": candidate.grading_tokens if candidate else 0,
        "engine_seconds": candidate.engine_seconds if candidate else 0.0,
        "grading_engine_seconds": candidate.grading_engine_seconds if candidate else 0.0,
        "finish_reason": candidate.finish_reason if candidate else None,
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
