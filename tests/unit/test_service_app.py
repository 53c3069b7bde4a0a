"""The gateway's shell: cheap to import, and one problem body for every error."""

import subprocess
import sys
from http import HTTPStatus

import pytest

import workers.errors
from graders.errors import GraderError
from service.changes import Changes, wait
from service.errors import RequestError, problem_of
from workers.errors import SpecError, StoreFullError, WorkerError

IMPORT = """
import sys, time
began = time.process_time()
import service.app
seconds = time.process_time() - began
heavy = {"torch", "transformers", "ray", "sympy", "pyarrow"} & set(sys.modules)
print(seconds, sorted(heavy))
"""


def test_importing_the_gateway_loads_no_model_library_and_takes_no_time() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    ).stdout
    seconds, heavy = answer.split(maxsplit=1)
    assert heavy.strip() == "[]"
    assert float(seconds) < 3


def _all_errors(base: type[Exception]) -> list[type[Exception]]:
    return [base, *(sub for kind in base.__subclasses__() for sub in _all_errors(kind))]


@pytest.mark.parametrize("kind", [*_all_errors(WorkerError)[1:], *_all_errors(GraderError)])
def test_every_error_of_workers_and_graders_has_a_status_and_a_hint(kind: type[Exception]) -> None:
    problem = problem_of(kind.__new__(kind))
    assert problem is not None
    assert 400 <= problem.status < 600
    assert problem.hint


def test_the_table_picks_the_nearest_class() -> None:
    class TooPurpleError(SpecError):
        pass

    nearest = problem_of(TooPurpleError("x"))
    assert nearest is not None and nearest.status is HTTPStatus(422)
    full = problem_of(StoreFullError("x"))
    assert full is not None and full.status is HTTPStatus.INSUFFICIENT_STORAGE
    assert problem_of(ValueError("x")) is None
    assert workers.errors.SpecError in RequestError.__mro__


async def test_a_change_between_reading_and_waiting_is_not_missed() -> None:
    changes = Changes()
    event = changes.next("a")
    changes.announce("a")
    await wait(event, 60)
    assert changes.next("a") is not event


async def test_waiting_ends_when_the_time_is_up() -> None:
    changes = Changes()
    event = changes.next("a")
    changes.announce("b")
    await wait(event, 0.01)
    assert not event.is_set()
