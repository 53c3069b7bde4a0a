"""What the routes are handed: the runner, who asks, and the batch asked about if it is theirs."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from service.runner import BatchRunner
from workers.errors import BatchNotFoundError
from workers.store import BatchRecord

BEARER = HTTPBearer(auto_error=False, description="A tenant's key, where tenants are configured.")


def runner_of(app: Any) -> BatchRunner:
    """The runner of a gateway that has started."""
    runner: BatchRunner = app.state.runner
    return runner


def _runner(request: Request) -> BatchRunner:
    return runner_of(request.app)


Runner = Annotated[BatchRunner, Depends(_runner)]


def caller(request: Request) -> str | None:
    """The tenant that `service.app.KeyCheck` found; an error where it did not look."""
    tenant: str | None = request.state.tenant
    return tenant


Caller = Annotated[str | None, Depends(caller)]
"""The tenant who asks; None for who may see all."""


async def _batch_of_caller(batch_id: str, runner: Runner, tenant: Caller) -> BatchRecord:
    record = await runner.record(batch_id)
    if tenant is not None and record.tenant != tenant:
        raise BatchNotFoundError(f"no batch {batch_id!r}")
    return record


BatchOfCaller = Annotated[BatchRecord, Depends(_batch_of_caller)]
"""The batch that the path names. Raises BatchNotFoundError, also for another tenant's."""
