"""What the routes are handed."""

from typing import Annotated, Any

from fastapi import Depends, Request

from service.runner import BatchRunner


def runner_of(app: Any) -> BatchRunner:
    """The runner of a gateway that has started."""
    runner: BatchRunner = app.state.runner
    return runner


def _runner(request: Request) -> BatchRunner:
    return runner_of(request.app)


Runner = Annotated[BatchRunner, Depends(_runner)]
