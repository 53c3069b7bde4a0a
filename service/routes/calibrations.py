"""Calibrations: which error rates can be asked for, and what they would cost in yield."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException

from graders.calibration.labelled import LabelledRow, read_labelled
from graders.calibration.scored_set import Grading, encode_scored_set
from graders.errors import CalibrationError
from graders.registry import NOVELTY, check_names
from graders.row_grader import BATCH_SIZE
from service.calibrating import (
    check_set,
    model_of_batches,
    notices_of,
    opened_grader,
    score_rows,
    scored_set,
)
from service.calibrations import RATES, Calibration, calibration_object, calibrations_of
from service.certificates import grading_by
from service.deps import Caller, Runner
from service.errors import LabelledRowsError, RequestError
from service.runner import BatchRunner
from service.schemas import (
    CONFIDENCE,
    CalibrationBody,
    check_encodable,
    check_row_length,
    model_name,
    recipe_named,
)
from service.settings import Settings
from workers.recipes import Recipe

Json = dict[str, Any]

router = APIRouter(prefix="/v1/calibrations", tags=["calibrations"])


@router.get("")
async def calibrations(
    runner: Runner,
    tenant: Caller,
    confidence: Annotated[float, Query(gt=0, lt=1)] = CONFIDENCE,
) -> Json:
    """The caller's calibrations, with what each answers for some error rates.

    The `origin` of those that the caller uploaded is `uploaded`; of the others, which all callers
    have, `configured`. An uploaded one takes the place of the one configured for its recipe.
    """
    uploaded = await runner.store.call(runner.store.calibrations.listed, tenant or "")

    def described() -> list[Json]:
        found = calibrations_of(runner.settings, uploaded)
        return [calibration_object(recipe, each, confidence) for recipe, each in found.items()]

    return {"object": "list", "data": await asyncio.to_thread(described)}


@router.post("", status_code=201)
async def upload(body: CalibrationBody, request: Request, runner: Runner, tenant: Caller) -> Json:
    """Grade labelled rows as `winnow calibrate` does, and keep them for the caller.

    From then on `gate.max_error_rate` goes by them in the caller's batches of this recipe; another
    upload for it takes their place. `grader` asks `model`; left out, it asks the gateway's default
    model if, as configured here, it may ask one, since that is what it does in batches. Rows that
    hold the `grades` of `winnow grade` are not graded again: for them `model` names the one that
    was asked then, left out none. `notices` tell what was set right and what will be assumed.
    """
    _check_grader(body.grader, recipe_named(body.recipe, runner.recipes))
    settings = runner.settings
    named = None if body.model is None else model_name(body.model, settings)
    with _rows_blamed():
        rows, notices = await asyncio.to_thread(_labelled, body, settings)
        model = named or model_of_batches(settings, body.grader, rows)
        grading = await asyncio.to_thread(grading_by, settings, body.grader, model)
        scores = await _scores(runner, request, rows, grading, model)
        scored = scored_set(
            rows, scores, grading, name=body.name or body.recipe, recipe=body.recipe
        )
        made = Calibration(scored, "uploaded")
        found = await asyncio.to_thread(calibration_object, body.recipe, made, body.confidence)
        content = await asyncio.to_thread(encode_scored_set, scored)
    await runner.store.call(
        runner.store.calibrations.put, tenant or "", body.recipe, content, scored.created_at
    )
    return {**found, "notices": [*notices, *notices_of(rows, grading)]}


@router.delete("/{recipe}")
async def delete(recipe: str, runner: Runner, tenant: Caller) -> Json:
    """Forget the calibration that the caller uploaded; one configured for the recipe holds again.

    Batches keep the certificates that they have.
    """
    await runner.store.call(runner.store.calibrations.remove, tenant or "", recipe)
    return {"id": recipe, "object": "calibration", "deleted": True}


def _check_grader(name: str, recipe: Recipe) -> None:
    """Raise RequestError for a grader without scores of its own here, or that the recipe lacks."""
    check_names([name])
    if name == NOVELTY:
        raise RequestError("grader", f"{name} depends on what was admitted; it can't be calibrated")
    if name not in recipe.graders:
        used = ", ".join(recipe.graders)
        raise RequestError("grader", f"{name!r} is no grader of {recipe.name}; it uses: {used}")


def _labelled(body: CalibrationBody, settings: Settings) -> tuple[list[LabelledRow], list[str]]:
    for index, row in enumerate(body.rows):
        check_row_length(index, row, settings)
        check_encodable(index, row)
    placed = [(f"rows[{index}]", row) for index, row in enumerate(body.rows)]
    rows, notices = read_labelled(placed, body.recipe, body.drop_contradictions)
    check_set(rows, RATES[-1], 1.0 - body.confidence)
    return rows, notices


async def _scores(
    runner: BatchRunner,
    request: Request,
    rows: Sequence[LabelledRow],
    grading: Grading,
    model: str | None,
) -> list[float | None]:
    """The rows' scores; no more are graded once the client has gone away."""
    ask = partial(runner.ask, model) if model else None
    scores: list[float | None] = []
    async with opened_grader(
        runner.settings, runner.model, runner.recipes, rows, grading, ask
    ) as grader:
        for start in range(0, len(rows), BATCH_SIZE):
            if await request.is_disconnected():
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the client went away")
            scores += await score_rows(rows[start : start + BATCH_SIZE], grading, grader)
    return scores


@contextmanager
def _rows_blamed() -> Iterator[None]:
    """Turn what is wrong with labelled rows into a refusal that names the row, if it is one."""
    try:
        yield
    except CalibrationError as exc:
        place, _, reason = str(exc).partition(": ")
        if place.startswith("rows["):
            raise LabelledRowsError(place, reason) from exc
        raise LabelledRowsError("rows", str(exc)) from exc
