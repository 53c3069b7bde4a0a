"""What goes wrong and how it is told: one table from exception to status, RFC 9457 bodies.

Every refusal says in `detail` what is wrong and in `hint` what to do about it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from graders.calibration.certificate import Refusal
from graders.errors import (
    CalibrationError,
    GraderConfigError,
    GraderError,
    IndexUnavailableError,
    JudgeUnhealthyError,
)
from service.tenants import UnauthorizedError
from workers.errors import (
    AuditError,
    BatchBusyError,
    BatchNotFoundError,
    CalibrationNotFoundError,
    EngineError,
    EngineUnavailableError,
    ExportError,
    IdempotencyConflictError,
    PromptTooLongError,
    RecipeError,
    SpecError,
    StoreError,
    StoreFullError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the table. `kind` becomes the problem's `type`."""

    status: HTTPStatus
    kind: str
    title: str
    hint: str


class RequestError(SpecError):
    """A field of the request can't be served as given. Names the field, as `sources[3]`."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(f"{field}: {message}")


class NotCertifiableError(RequestError):
    """The error rate asked for can't be honoured. `refusal` has the best bound, if there is one."""

    def __init__(self, field: str, message: str, refusal: Refusal | None = None) -> None:
        self.refusal = refusal
        super().__init__(field, message)


class LabelledRowsError(RequestError):
    """Labelled rows that can't be a calibration set. The field is a row, or all of them."""


class StreamBrokenError(Exception):
    """A stream under way ends before what it promised; its client is to see it break off."""


class NotAcceptableError(Exception):
    """The representation asked for by `Accept` can't be made here."""


UNPROCESSABLE = HTTPStatus(422)
TOO_LARGE = HTTPStatus(413)

TABLE: dict[type[Exception], Problem] = {
    UnauthorizedError: Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "a key is needed",
        "send `Authorization: Bearer KEY`; whoever runs the gateway gives keys (`winnow key`)",
    ),
    RequestError: Problem(
        UNPROCESSABLE, "invalid-request", "the request can't be served", "change the field named"
    ),
    NotCertifiableError: Problem(
        UNPROCESSABLE,
        "not-certifiable",
        "the error rate can't be guaranteed",
        "ask for the best bound that the detail names, label more texts, or leave it out",
    ),
    CalibrationError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "calibration-unavailable",
        "the calibration can't be used",
        "make it anew by `winnow calibrate`; upload it, or name it under `calibrations`",
    ),
    LabelledRowsError: Problem(
        UNPROCESSABLE,
        "calibration",
        "these rows can't be a calibration",
        "mend what the detail names and send all rows again; nothing was stored",
    ),
    CalibrationNotFoundError: Problem(
        HTTPStatus.NOT_FOUND,
        "calibration-not-found",
        "no such calibration",
        'GET /v1/calibrations lists them; one whose origin is "configured" is the operator\'s',
    ),
    AuditError: Problem(
        HTTPStatus.CONFLICT,
        "audit",
        "the batch can't be audited so",
        "do what the detail asks for; GET /v1/batches/{id}/audit says how far the audit is",
    ),
    SpecError: Problem(
        UNPROCESSABLE, "invalid-request", "the request can't be run", "change what is named"
    ),
    RecipeError: Problem(
        UNPROCESSABLE, "recipe", "the recipe can't be used", "GET /v1/recipes lists those there are"
    ),
    GraderConfigError: Problem(
        UNPROCESSABLE, "grader", "the grader can't be used", "GET /v1/graders lists those there are"
    ),
    PromptTooLongError: Problem(
        UNPROCESSABLE, "too-long", "too long for the model", "shorten it, or name another model"
    ),
    BatchNotFoundError: Problem(
        HTTPStatus.NOT_FOUND, "batch-not-found", "no such batch", "GET /v1/batches lists them"
    ),
    NotAcceptableError: Problem(
        HTTPStatus.NOT_ACCEPTABLE,
        "not-acceptable",
        "the format can't be made here",
        "ask for application/x-ndjson; the samples of a batch also come as Parquet, without "
        "`follow`, from a gateway with `winnow[data]`",
    ),
    IdempotencyConflictError: Problem(
        HTTPStatus.CONFLICT,
        "idempotency-conflict",
        "the key was used for another request",
        "send the first request unchanged, or take a new Idempotency-Key",
    ),
    BatchBusyError: Problem(
        HTTPStatus.CONFLICT,
        "batch-busy",
        "another process runs this batch",
        "ask that process, or wait until its lease runs out",
    ),
    EngineUnavailableError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "engine-unavailable",
        "the model can't be loaded or reached",
        "mend what the detail names and ask again; the gateway tries anew at each request",
    ),
    EngineError: Problem(
        HTTPStatus.BAD_GATEWAY, "engine", "the model failed", "ask again; see the gateway's log"
    ),
    StoreFullError: Problem(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "store-full",
        "no room left on the disk",
        "make room and ask again; nothing that was admitted is lost",
    ),
    IndexUnavailableError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "index-unavailable",
        "the novelty index can't serve",
        "see the gateway's log",
    ),
    JudgeUnhealthyError: Problem(
        HTTPStatus.BAD_GATEWAY,
        "judge-unhealthy",
        "the judge fails claims whose truth is known",
        "name another model as graders.judge.model, or leave `judge` out",
    ),
    GraderError: Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "grader", "a grader failed", "see the gateway's log"
    ),
    ExportError: Problem(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "export",
        "the file can't be written",
        "ask for application/x-ndjson",
    ),
    StoreError: Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "store-unavailable",
        "the database refused",
        "check `database_url`; what was admitted is safe",
    ),
}

HINTS = {
    HTTPStatus.NOT_FOUND: "GET /docs lists the addresses there are",
    HTTPStatus.METHOD_NOT_ALLOWED: "GET /docs lists the methods there are",
    TOO_LARGE: "send fewer or shorter sources, or raise `max_body_bytes`",
    HTTPStatus.BAD_REQUEST: "send a JSON object encoded as UTF-8",
}


def problem_of(error: Exception) -> Problem | None:
    """The row of the nearest class in the error's ancestry."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), None)


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem body."""
    for kind in TABLE:
        app.add_exception_handler(kind, problem_response)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unknown)


def _respond(
    request: Request, problem: Problem, detail: str, headers: Any = None, **extra: Any
) -> Response:
    body = {
        "type": f"urn:winnow:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": request.url.path,
        "hint": problem.hint,
        **extra,
    }
    # What a client sent may hold lone surrogates, which json escapes and orjson refuses.
    return Response(json.dumps(body), problem.status, headers=headers, media_type=MEDIA_TYPE)


async def problem_response(request: Request, error: Exception) -> Response:
    """The answer to an error of the table."""
    problem = problem_of(error)
    assert problem is not None, "installed for the errors of the table"
    extra: dict[str, Any] = {"field": error.field} if isinstance(error, RequestError) else {}
    if isinstance(error, NotCertifiableError) and error.refusal:
        extra["refusal"] = asdict(error.refusal)
    if problem.status >= 500:
        logger.error("%s %s: %s", request.method, request.url.path, error)
    headers = {"www-authenticate": "Bearer"} if problem.status == 401 else None
    return _respond(request, problem, str(error) or problem.title, headers, **extra)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = found[0].get("ctx", {}).get("error", "")
        problem = Problem(
            HTTPStatus.BAD_REQUEST, "bad-json", "the body is not JSON", HINTS[HTTPStatus(400)]
        )
        return _respond(request, problem, f"the body is not JSON: {reason}")
    shown = found[:MOST_ERRORS]
    fields = [{"field": _field(item["loc"]), "message": _message(item)} for item in shown]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in fields[:5])
    return _respond(request, TABLE[RequestError], detail, field=fields[0]["field"], errors=fields)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = str(error.detail)
    if isinstance(error.__cause__, UnicodeDecodeError):
        detail = f"the body is not UTF-8: {error.__cause__}"
    hint = HINTS.get(status, "see /docs")
    kind = status.phrase.lower().replace(" ", "-")
    return _respond(request, Problem(status, kind, status.phrase, hint), detail, error.headers)


async def _on_unknown(request: Request, error: Exception) -> Response:
    """Starlette raises the error again once this is sent, so that the server logs it."""
    problem = Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "the gateway failed",
        "this is a bug: report it with the gateway's log; what was admitted is safe",
    )
    return _respond(request, problem, f"{type(error).__name__} while serving the request")


def _field(location: Sequence[int | str]) -> str:
    """("body", "sources", 3, "text") as `sources[3].text`; pydantic's union branches left out."""
    name = ""
    for part in location[1:] or location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and part not in {"str", "int"} and part[:1].islower():
            name += f".{part}" if name else part
    return name or str(location[0])


def _message(item: dict[str, Any]) -> str:
    return "no such field" if item["type"] == "extra_forbidden" else str(item["msg"])
