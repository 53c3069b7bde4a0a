"""Puts the gateway together. Importing this makes nothing; `create_app` loads no model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.deps import BEARER, caller, runner_of
from service.errors import TOO_LARGE, install, problem_response
from service.routes import (
    audit,
    batches,
    calibrations,
    costs,
    dashboard,
    grade,
    health,
    models,
    samples,
)
from service.runner import BatchRunner
from service.settings import Settings
from service.tenants import Tenants, UnauthorizedError

DESCRIPTION = (
    "Ask for N samples: get N that passed, an account of every one that did not. "
    "Errors are RFC 9457 problem details with a `hint`."
)


def create_app(settings: Settings) -> FastAPI:
    """The gateway for these settings; its lifespan opens the store and resumes what was left."""
    app = FastAPI(title="Winnow", version=_version(), description=DESCRIPTION, lifespan=_lifespan)
    app.state.runner = BatchRunner(settings)
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    tenants = Tenants(settings.tenants, settings.operator_key_sha256)
    app.add_middleware(KeyCheck, tenants=tenants)
    install(app)
    for routes in (batches, audit, samples, grade, models, calibrations, costs):
        app.include_router(routes.router, dependencies=[Depends(BEARER), Depends(caller)])
    app.include_router(health.router, dependencies=[Depends(BEARER)])
    app.include_router(dashboard.router)
    return app


class KeyCheck:
    """Finds whose request it is before any of its body is read, and refuses a stranger's.

    The metrics tell of all tenants and are the operator's. The other addresses outside `/v1/` are
    for probes, the dashboard's page and the documentation: they need no key.
    """

    def __init__(self, app: ASGIApp, tenants: Tenants) -> None:
        self._app = app
        self._tenants = tenants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the tenant in the request's state, where `service.deps.Caller` finds it."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                await self._admit(request)
            except UnauthorizedError as exc:
                response = await problem_response(request, exc)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, request: Request) -> None:
        path = _below_root(request.scope)
        credentials = await BEARER(request)
        key = credentials.credentials if credentials else None
        if path.startswith("/v1/"):
            request.state.tenant = self._tenants.of(key)
        elif path == "/metrics":
            self._tenants.require_operator(key)
            request.state.tenant = None


def _below_root(scope: Scope) -> str:
    """The path that the routes know; a prefix is cut off at a slash only."""
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


class BodyLimit:
    """Refuses bodies above `most` bytes with 413, before they are held in memory."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives; the length that a client declares is not relied upon."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                raise HTTPException(TOO_LARGE, f"the body is above {self._most} bytes")
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    runner = runner_of(app)
    await runner.start()
    try:
        yield
    finally:
        await runner.aclose()


def _version() -> str:
    try:
        return version("winnow")
    except PackageNotFoundError:
        return "0"
