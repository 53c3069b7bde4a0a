"""Grades texts that you already have with the graders and the gate of the batches."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from graders.base import Complete
from graders.novelty import protect_now
from graders.row_grader import RowGrader
from service.deps import Runner
from service.runner import BatchRunner
from service.schemas import (
    GradeBody,
    check_encodable,
    check_row_length,
    check_texts,
    may_ask_model,
    model_name,
)

CHUNK = 256

router = APIRouter(prefix="/v1", tags=["grade"])


@router.post("/grade")
async def grade(body: GradeBody, request: Request, runner: Runner) -> dict[str, Any]:
    """Grade rows as `winnow grade` does; one result per row, in order.

    No model is asked unless `model` names one: without, only rules and the graders' own small
    models decide, and a problem without a gold answer stays ungraded, so rejected.

    For novelty, earlier accepted rows of the request count as admitted; the samples of batches
    do not. `graders` selects; else what a row holds decides.
    """
    check_texts("protect", body.protect, runner.settings)
    novelty = runner.settings.graders.novelty
    own = await asyncio.to_thread(protect_now, body.protect, novelty)
    grader = RowGrader(
        runner.settings.graders,
        await _complete(body, runner),
        models=runner.model,
        graders=body.graders,
        thresholds=body.gate.thresholds,
        recipes=runner.recipes,
        protected=(*await runner.protected(), own),
    )
    for index, row in enumerate(body.rows):
        check_row_length(index, row, runner.settings)
        check_encodable(index, row)
        grader.read(row, index)
    try:
        graded: list[dict[str, Any]] = []
        for start in range(0, len(body.rows), CHUNK):
            if await request.is_disconnected():
                break
            graded += await grader.grade(body.rows[start : start + CHUNK], start)
    finally:
        await grader.aclose()
    return {"object": "list", "data": graded}


async def _complete(body: GradeBody, runner: BatchRunner) -> Complete | None:
    """The model that the request names, where a grader may ask it."""
    if body.model is None:
        return None
    model = model_name(body.model, runner.settings)
    if not may_ask_model(body.graders):
        return None
    return await runner.ask(model)
