"""Audits: draw samples of a batch at random, take their labels, read the bound."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.audits import audit_object
from service.deps import BatchOfCaller, Runner
from service.errors import RequestError
from service.runner import BatchRunner
from service.schemas import CONFIDENCE, AuditBody, AuditLabelsBody
from workers.store.records import AuditRecord

router = APIRouter(prefix="/v1/batches/{batch_id}/audit", tags=["audits"])

Confidence = Annotated[float, Query(gt=0, lt=1)]


@router.post("")
async def draw(
    batch: BatchOfCaller,
    runner: Runner,
    body: AuditBody | None = None,
    confidence: Confidence = CONFIDENCE,
) -> dict[str, Any]:
    """Draw accepted samples at random, once and for all; they come with texts and evidence.

    Label them in the order given. Asked again, the draw is the same; a greater `count` adds to it.
    """
    asked = body or AuditBody()
    audit = await runner.store.call(runner.store.audits.draw, batch.id, asked.count, asked.seed)
    return await _with_samples(runner, audit, confidence)


@router.post("/labels")
async def label(
    batch: BatchOfCaller,
    body: AuditLabelsBody,
    runner: Runner,
    confidence: Confidence = CONFIDENCE,
) -> dict[str, Any]:
    """Store labels, all or none, and read the bound that they give."""
    labels: dict[int, bool] = {}
    for index, item in enumerate(body.labels):
        if labels.setdefault(item.seq, item.correct) is not item.correct:
            raise RequestError(f"labels[{index}]", f"sample {item.seq} has two labels here")
    audit = await runner.store.call(
        runner.store.audits.label, batch.id, labels, replace=body.replace
    )
    return audit_object(audit, confidence)


@router.get("")
async def read(
    batch: BatchOfCaller,
    runner: Runner,
    confidence: Confidence = CONFIDENCE,
    samples: Annotated[bool, Query(description="with the texts and evidence")] = False,
) -> dict[str, Any]:
    """How many of this batch's samples are wrong at most, by the labels so far.

    Exact, with no assumption but the labels, and valid whenever the labelling stops.
    """
    audit = await runner.store.call(runner.store.audits.get, batch.id)
    return (
        await _with_samples(runner, audit, confidence)
        if samples
        else audit_object(audit, confidence)
    )


async def _with_samples(
    runner: BatchRunner, audit: AuditRecord, confidence: float
) -> dict[str, Any]:
    seqs = [item.seq for item in audit.draws]
    rows = await runner.store.call(runner.store.audits.samples, audit.batch_id, seqs)
    return audit_object(audit, confidence, rows)
