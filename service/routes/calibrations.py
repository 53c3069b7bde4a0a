"""Calibrations: which error rates can be asked for, and what they would cost in yield."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from graders.calibration import Refusal
from graders.calibration.scored_set import ScoredSet, certificate_for, read_scored_set
from service.deps import Runner
from service.schemas import CONFIDENCE
from service.settings import Settings

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)

router = APIRouter(prefix="/v1", tags=["calibrations"])


@router.get("/calibrations")
async def calibrations(
    runner: Runner, confidence: Annotated[float, Query(gt=0, lt=1)] = CONFIDENCE
) -> dict[str, Any]:
    """The calibrations configured, by recipe, with what each answers for some error rates."""
    found = await run_in_threadpool(_all, runner.settings, confidence)
    return {"object": "list", "data": found}


def _all(settings: Settings, confidence: float) -> list[dict[str, Any]]:
    return [
        {"id": recipe, "object": "calibration", **_described(read_scored_set(path), confidence)}
        for recipe, path in settings.calibrations.items()
    ]


def _described(scored: ScoredSet, confidence: float) -> dict[str, Any]:
    answers = [certificate_for(scored, rate, 1.0 - confidence) for rate in RATES]
    return {
        "name": scored.name,
        "grading": asdict(scored.grading),
        "generators": scored.generators,
        "rows": len(scored.texts),
        "sources": len({text.source for text in scored.texts}),
        "created_at": scored.created_at,
        "answers": [
            {
                "max_error_rate": answer.max_error_rate,
                "confidence": confidence,
                "certified": not isinstance(answer, Refusal),
                "threshold": answer.threshold,
                "coverage": answer.coverage,
                "best_bound": answer.best_bound if isinstance(answer, Refusal) else answer.bound,
            }
            for answer in answers
        ],
    }
