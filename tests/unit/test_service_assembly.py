"""A batch is run only by the process that holds it, and only that one loads its model."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graders.calibration.certificate import Certificate
from graders.types import Source
from service.assembly import open_backend, run_stored
from service.certificates import _process, grading_by
from service.settings import Settings, load_settings
from workers.backends.base import Job
from workers.engines.config import EngineConfig
from workers.engines.pool import EnginePool
from workers.errors import BatchBusyError, NotConfiguredError, SpecError
from workers.producer import Producer
from workers.recipes import SHIPPED
from workers.store import SqlStore
from workers.types import BatchSpec, Status, StopReason

SOURCES = (Source("a", "Name: Aldra\nKind: river\nLength: 412 km"),)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(f"sqlite:///{tmp_path}/winnow.db")) as opened:
        yield opened


@pytest.fixture
def settings() -> Settings:
    return load_settings(models={"fake": {"kind": "scripted"}})


def stored(store: SqlStore, **fields: Any) -> str:
    spec = replace(BatchSpec("problem_set", 2, SOURCES, "fake"), **fields)
    return store.create_batch(spec)[0].id


async def test_a_batch_runs_to_its_end_and_running_it_again_loads_nothing(
    store: SqlStore, settings: Settings
) -> None:
    batch_id = stored(store)
    for first in (True, False):
        backend = open_backend(settings, EnginePool(settings.models))
        await run_stored(batch_id, store, backend, settings, recipes=SHIPPED)
        assert backend.loaded("fake") is first
        await backend.aclose()
        record = store.get_batch(batch_id)
        assert record.status is Status.COMPLETED and record.progress.accepted == 2


async def test_a_process_that_may_not_run_a_batch_loads_no_model(
    store: SqlStore, settings: Settings
) -> None:
    batch_id = stored(store)
    store.claim(batch_id, "another process", seconds=600)
    backend = open_backend(settings, EnginePool(settings.models))
    with pytest.raises(BatchBusyError):
        await run_stored(batch_id, store, backend, settings, recipes=SHIPPED)
    assert not backend.loaded("fake")


async def test_a_batch_whose_model_is_not_configured_is_released_for_who_has_it(
    store: SqlStore, settings: Settings
) -> None:
    batch_id = stored(store, model="gone")
    backend = open_backend(settings, EnginePool(settings.models))
    with pytest.raises(SpecError, match="gone, which is not configured here"):
        await run_stored(batch_id, store, backend, settings, recipes=SHIPPED)
    store.claim(batch_id, "another process")
    store.release(batch_id, "another process")
    assert "gone, which is not configured here" in store.get_batch(batch_id).message


@pytest.mark.parametrize("missing", [{"model": "gone"}, {"recipe": "gone"}, {}])
async def test_a_batch_that_is_to_be_cancelled_ends_whatever_it_would_lack(
    store: SqlStore, settings: Settings, missing: dict[str, str]
) -> None:
    batch_id = stored(store, **missing)
    store.request_cancel(batch_id)
    backend = open_backend(settings, EnginePool(settings.models))
    await run_stored(batch_id, store, backend, settings, recipes=SHIPPED)
    record = store.get_batch(batch_id)
    assert (record.status, record.stop_reason) == (Status.CANCELLED, StopReason.CANCELLED)
    assert record.message == "0 of 2 samples: cancelled"
    assert not backend.loaded("fake")


class LoadingBackend:
    """Loads for ever."""

    def __init__(self, models: Mapping[str, EngineConfig]) -> None:
        self.models = models
        self.loading = asyncio.Event()
        self.gave_up = False

    async def ready(self, model: str) -> None:
        await asyncio.Event().wait()

    def loaded(self, model: str) -> bool:
        return False

    @contextlib.asynccontextmanager
    async def producer(self, job: Job) -> AsyncIterator[Producer]:
        self.loading.set()
        try:
            await self.ready(job.model)
        finally:
            self.gave_up = True
        raise AssertionError("not reached")
        yield

    async def aclose(self) -> None:
        """Nothing was started."""


async def test_a_batch_is_cancelled_while_its_model_loads(
    store: SqlStore, settings: Settings
) -> None:
    batch_id = stored(store)
    backend, cancel = LoadingBackend(settings.models), asyncio.Event()
    running = asyncio.create_task(
        run_stored(batch_id, store, backend, settings, recipes=SHIPPED, cancel=cancel)
    )
    await backend.loading.wait()
    cancel.set()
    await running
    assert backend.gave_up
    assert store.get_batch(batch_id).status is Status.CANCELLED


async def test_a_batch_that_can_run_nowhere_as_asked_fails_and_says_why(
    store: SqlStore, settings: Settings
) -> None:
    certificate = Certificate(
        0.1, 0.95, 0.08, 0.5, 0.6, 0.05, 60, 100, 200, 200, 0,
        grader="consistency", grader_version="of yore",
    )  # fmt: skip
    batch_id = stored(store, recipe="essay", certificate=certificate)
    backend = open_backend(settings, EnginePool(settings.models))
    await run_stored(batch_id, store, backend, settings, recipes=SHIPPED)
    await backend.aclose()
    record = store.get_batch(batch_id)
    assert (record.status, record.stop_reason) == (Status.FAILED, StopReason.CANNOT_RUN)
    assert "certificate is for consistency of yore" in record.message


@pytest.fixture
def certified(settings: Settings) -> Certificate:
    """What a batch of these settings was certified for."""
    here = _process(settings, grading_by(settings, "consistency", "fake"), "fake")
    return Certificate(
        0.1, 0.95, 0.08, 0.5, 0.6, 0.05, 60, 100, 200, 200, 0,
        grader="consistency", process_sha256=here,
        grader_version=grading_by(settings, "consistency", "fake").version,
    )  # fmt: skip


ELSEWHERE: list[dict[str, Any]] = [
    {"models": {"fake": {"kind": "scripted", "model": "another"}}},
    {"graders": {"consistency": {"judge": False}}},
]


@pytest.mark.parametrize("other", ELSEWHERE)
async def test_a_certified_batch_is_left_to_who_has_what_it_was_certified_for(
    store: SqlStore, settings: Settings, certified: Certificate, other: dict[str, Any]
) -> None:
    batch_id = stored(store, recipe="essay", count=1, certificate=certified)
    elsewhere = load_settings(**{"models": {"fake": {"kind": "scripted"}}, **other})
    backend = open_backend(elsewhere, EnginePool(elsewhere.models))
    with pytest.raises(NotConfiguredError, match="certificate is for"):
        await run_stored(batch_id, store, backend, elsewhere, recipes=SHIPPED)
    assert "certificate is for: put them back" in store.get_batch(batch_id).message
    store.request_cancel(batch_id)
    await run_stored(batch_id, store, backend, elsewhere, recipes=SHIPPED)
    assert store.get_batch(batch_id).status is Status.CANCELLED


async def test_speed_is_no_part_of_what_a_batch_was_certified_for(
    store: SqlStore, certified: Certificate
) -> None:
    batch_id = stored(store, recipe="essay", count=1, certificate=certified)
    faster = load_settings(models={"fake": {"kind": "scripted", "concurrency": 5}})
    backend = open_backend(faster, EnginePool(faster.models))
    await run_stored(batch_id, store, backend, faster, recipes=SHIPPED)
    await backend.aclose()
    assert store.get_batch(batch_id).status is Status.COMPLETED
