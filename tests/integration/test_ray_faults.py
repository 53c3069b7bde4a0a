"""Faults under load on a real cluster: after each exactly N samples, none twice, no leaks."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytestmark = [
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

COUNT = 120
SEED = 20
KINDS = (
    *("engine killed", "engine hung", "engine died, its actor lives"),
    *("grader killed", "node killed"),
    *("disk full", "database away for 10 s", "driver killed"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(ray_cluster: Any) -> AsyncIterator[Any]:
    """Two engines and a grader, on which all the batches run; nothing of it is left in the end."""
    from benchmarks.fault_injection import backend_on, nothing_left, pids_of
    from workers.backends.ray_cluster import connect_to

    opened = backend_on(ray_cluster.address)
    yield opened
    pids = await pids_of(opened)
    await opened.aclose()
    await asyncio.to_thread(connect_to, ray_cluster.address)  # closing ended the connection
    await nothing_left(pids)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    from workers.store import SqlStore

    with contextlib.closing(SqlStore(f"sqlite:///{tmp_path}/winnow.db")) as opened:
        yield opened


async def test_every_kind_of_fault_is_thrown_here() -> None:
    from benchmarks.fault_injection import KINDS as THROWN

    assert set(KINDS) == set(THROWN)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_under_load_loses_nothing_and_admits_nothing_twice(
    kind: str, ray_cluster: Any, backend: Any, store: Any, tmp_path: Path, record_property: Any
) -> None:
    from benchmarks.fault_injection import Scene, endure, new_batch

    scene = Scene(
        ray_cluster,
        backend,
        store,
        f"sqlite:///{tmp_path}/winnow.db",
        new_batch(store, COUNT, SEED),
        random.Random(f"{kind}|{SEED}"),
    )
    seconds = await endure(kind, scene, COUNT)
    record_property("seconds to recover", round(seconds, 2))
