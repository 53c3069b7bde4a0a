"""A batch is run only by the process that holds it, and only that one loads its model."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graders.types import Source
from service.assembly import open_backend, run_stored
from service.settings import Settings, load_settings
from workers.engines.pool import EnginePool
from workers.errors import BatchBusyError, SpecError
from workers.recipes import SHIPPED
from workers.store import SqlStore
from workers.types import BatchSpec, Status

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
