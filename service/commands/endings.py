"""How a command ends: exit codes, and errors that a user can mend told in one line."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED, BAD_INPUT, SHORTFALL, INTERRUPTED = 1, 2, 3, 130


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn the errors of our own trees into `winnow: …` on stderr and an exit code.

    Bad input and configuration end with 2; a store, an engine or a gateway that fails with 1.
    A closed pipe ends quietly: its reader has what it wanted.
    """
    from graders.errors import GraderConfigError, GraderError
    from service.client import GatewayError
    from service.settings import ConfigurationError
    from service.sources import InputError
    from workers.errors import BatchNotFoundError, ExportError, RecipeError, SpecError, WorkerError

    bad_input = (
        InputError,
        ConfigurationError,
        GraderConfigError,
        SpecError,
        RecipeError,
        ExportError,
        BatchNotFoundError,
    )
    try:
        yield
    except bad_input as exc:
        raise stop(str(exc), BAD_INPUT) from exc
    except GatewayError as exc:
        raise stop(str(exc), BAD_INPUT if 400 <= exc.status < 500 else FAILED) from exc
    except (WorkerError, GraderError) as exc:
        raise stop(str(exc), FAILED) from exc
    except BrokenPipeError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from exc


def stop(message: str, code: int) -> typer.Exit:
    """Say why on stderr; raise what this returns."""
    typer.echo(f"winnow: {message}", err=True)
    return typer.Exit(code)
