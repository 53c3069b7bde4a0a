"""Rows of the tables to the data of a batch and back."""

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping

from graders.types import Source
from workers.store import codec, requests
from workers.store.records import BatchRecord
from workers.types import BatchSpec, LedgerRow, Outcome, Price, Progress, Status, StopReason

COUNTERS = tuple(item.name for item in fields(Progress) if item.name != "rejected_by")
"""The columns of `batches` that are counters, or numbers like them."""


def batch_record(row: RowMapping, spec: BatchSpec) -> BatchRecord:
    """A row of `batches`, with its spec decoded."""
    return BatchRecord(
        id=row["id"],
        spec=spec,
        idempotency_key=requests.own_key(row["idempotency_key"]),
        status=Status(row["status"]),
        stop_reason=StopReason(row["stop_reason"]) if row["stop_reason"] else None,
        message=row["message"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        progress=progress(row),
        price=price(row),
        tenant=row["tenant"],
    )


def progress(row: RowMapping) -> Progress:
    """The counters in a row of `batches`."""
    return Progress(
        **{name: row[name] for name in COUNTERS},
        rejected_by=codec.decode_counts(row["rejected_by"]),
    )


def price(row: RowMapping) -> Price | None:
    """The price in a row of `batches`."""
    if row["price_per_engine_hour"] is None:
        return None
    return Price(row["price_per_engine_hour"], row["currency"] or "")


def ledger_row(row: RowMapping, sources: Mapping[str, Source]) -> LedgerRow:
    """A row of `candidates`, its source put back from the batch's own."""
    candidate = None
    if row["candidate"] is not None:
        candidate = codec.decode_candidate(
            row["candidate"],
            batch_id=row["batch_id"],
            seq=row["seq"],
            text=row["text"],
            source=sources.get(row["source_id"]),
        )
    return LedgerRow(
        seq=row["seq"],
        outcome=Outcome(row["outcome"]),
        source_id=row["source_id"],
        candidate=candidate,
        grades=codec.decode_grades(row["grades"]),
        verdict=codec.decode_verdict(row["verdict"]) if row["verdict"] else None,
        error=row["error"],
    )


def candidate_values(batch_id: str, row: LedgerRow) -> dict[str, Any]:
    """What a ledger row puts into `candidates`."""
    candidate = row.candidate
    return {
        "batch_id": batch_id,
        "seq": row.seq,
        "outcome": row.outcome.value,
        "source_id": row.source_id,
        "text": candidate.text if candidate else None,
        "candidate": codec.encode_candidate(candidate) if candidate else None,
        "grades": codec.encode_grades(row.grades),
        "verdict": codec.encode_verdict(row.verdict) if row.verdict else None,
        "error": codec.storable(row.error) if row.error else row.error,
        "created_at": time.time(),
        "prompt_tokens": candidate.prompt_tokens if candidate else 0,
        "completion_tokens": candidate.completion_tokens if candidate else 0,
    }
