"""Batches on a Ray cluster of two nodes: shared actors, placement, users' recipes, no leaks."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graders.config import ConsistencyConfig, GradersConfig
from graders.errors import GraderError
from graders.gate import Gate
from graders.types import Source
from workers.backends.base import Job
from workers.backends.config import RayConfig
from workers.compose import run_stored
from workers.engines.config import EngineConfig, ScriptedConfig, TransformersConfig
from workers.errors import EngineUnavailableError
from workers.recipes import SHIPPED, Recipe, load_recipe_file
from workers.store import SqlStore
from workers.types import BatchSpec, Budget, Draw, Status, StopReason

pytestmark = [pytest.mark.ray, pytest.mark.asyncio(loop_scope="module")]

MODELS: dict[str, EngineConfig] = {
    "fake": ScriptedConfig(latency_s=0.02, concurrency=4),
    "gone": TransformersConfig(model="/no/such/checkpoint"),
}
GRADERS = GradersConfig(consistency=ConsistencyConfig(judge=False))
SOURCES = tuple(Source(f"s{n}", f"Name: Thing {n}\nLength: {n + 9} km") for n in range(40))
HAIKU = '''
"""A user's recipe."""
from workers.recipes import MalformedTextError, Parsed, Recipe

SEPARATOR = "Essay:"


def prompt(source):
    return "Write an essay about the source below. Begin with one thesis sentence, then five to " \\
        "eight sentences. State only what the source says.\\n\\nSource:\\n" + source.text


def parse(text):
    if SEPARATOR not in text:
        raise MalformedTextError("no essay")
    return Parsed({"essay": text.partition(SEPARATOR)[2]}, body=text)


RECIPE = Recipe("mine", "a user's own", prompt, parse, ("form", "novelty"), "essay")
'''

Run = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(ray_cluster: Any) -> AsyncIterator[Any]:
    """Two engines and a grader on the cluster."""
    from workers.backends.ray_backend import RayBackend

    config = RayConfig(
        address=ray_cluster.address,
        workers=2,
        num_cpus=0.5,
        graders_on=("consistency",),
        grader_cpus=0.5,
    )
    opened = RayBackend(config, MODELS, GRADERS)
    yield opened
    await opened.aclose()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(f"sqlite:///{tmp_path}/winnow.db")) as opened:
        yield opened


@pytest.fixture
def run(store: SqlStore, backend: Any) -> Run:
    """Runs a new batch to its end; its record."""

    async def run_(recipes: dict[str, Recipe] = SHIPPED, **fields: Any) -> Any:
        spec = BatchSpec("essay", 30, SOURCES, "fake", thresholds={"novelty": 0.0})
        batch_id = store.create_batch(replace(spec, **fields))[0].id
        await run_stored(batch_id, store, backend, GRADERS, recipes=recipes)
        return store.get_batch(batch_id)

    return run_


async def test_a_batch_ends_with_n_samples_and_names_the_grader_that_ran_elsewhere(
    run: Run, store: SqlStore
) -> None:
    record = await run()
    assert (record.status, record.progress.accepted) == (Status.COMPLETED, 30)
    assert record.progress.rejected_by.keys() == {"consistency"}
    graders = [[grade.grader for grade in row.grades] for row in store.samples(record.id)]
    assert graders == [["form", "consistency", "novelty"]] * 30


async def test_batches_at_once_share_the_actors(run: Run, backend: Any) -> None:
    pool = await backend.pool("fake")
    before = {worker.health.pid for worker in pool.workers}
    records = await asyncio.gather(run(), run(seed=1), run(seed=2))
    assert [record.progress.accepted for record in records] == [30, 30, 30]
    assert before <= {worker.health.pid for worker in pool.workers}
    assert all(worker.load == 0 for worker in pool.workers)


async def test_a_budget_cancels_what_is_out_on_the_cluster(run: Run, backend: Any) -> None:
    record = await run(count=10_000, budget=Budget(max_seconds=0.5))
    assert record.stop_reason is StopReason.MAX_SECONDS
    pool = await backend.pool("fake")
    async with asyncio.timeout(30):
        while any([(await worker.actor.health.remote()).in_hand for worker in pool.workers]):
            await asyncio.sleep(0.05)


async def test_a_user_s_recipe_file_travels_with_the_job(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HAIKU)
    recipes = {"mine": load_recipe_file(file)}
    file.unlink()
    record = await run(recipe="mine", recipes=recipes)
    assert (record.status, record.progress.accepted) == (Status.COMPLETED, 30)


async def test_a_model_that_no_actor_can_load_is_named(backend: Any) -> None:
    with pytest.raises(EngineUnavailableError, match="no checkpoint directory at /no/such"):
        await backend.ready("gone")
    assert not backend.loaded("gone") and backend.loaded("fake")


async def test_a_grader_that_no_actor_can_have_is_named(backend: Any) -> None:
    job = Job("b", SHIPPED["essay"], "fake", Gate({}, ("form", "nonsense")))
    with pytest.raises(GraderError, match="unknown grader 'nonsense'"):
        async with backend.producer(job):
            pass


async def test_actors_without_room_wait_and_the_others_work(ray_cluster: Any) -> None:
    from benchmarks.fault_injection import a_node, nothing_left
    from workers.backends.ray_backend import RayBackend

    config = RayConfig(address=ray_cluster.address, workers=3, num_cpus=0, resources={"engine": 1})
    crowded = RayBackend(config, MODELS, GRADERS)
    job = Job("b", SHIPPED["essay"], "fake", Gate({}, ("form",)))
    async with crowded.producer(job) as producer:
        pool = await crowded.pool("fake")
        async with asyncio.timeout(60):
            while producer.concurrency < 8:
                await asyncio.sleep(0.05)
        produced = await producer.produce(Draw(0, SOURCES[0], 1))
        assert produced.error is None and len(pool.workers) == 2
        node = await asyncio.to_thread(ray_cluster.add_node, **a_node(engine=1))
        async with asyncio.timeout(60):
            while producer.concurrency < 12:
                await asyncio.sleep(0.05)
        pids = {worker.health.pid for worker in pool.workers}
    await crowded.aclose()
    await asyncio.to_thread(ray_cluster.remove_node, node)
    await nothing_left(pids, ("engine",))


async def test_a_gateway_submits_to_the_cluster(ray_cluster: Any, tmp_path: Path) -> None:
    from service.runner import BatchRunner
    from service.settings import load_settings

    settings = load_settings(
        database_url=f"sqlite:///{tmp_path}/winnow.db",
        models={"fake": {"kind": "scripted"}},
        backend={"kind": "ray", "address": ray_cluster.address, "num_cpus": 0.5},
    )
    runner = BatchRunner(settings)
    await runner.start()
    try:
        spec = BatchSpec("essay", 10, SOURCES, "fake", thresholds={"novelty": 0.0})
        record, _ = await runner.submit(spec)
        async with asyncio.timeout(60):
            while (await runner.record(record.id)).status is not Status.COMPLETED:
                await asyncio.sleep(0.05)
        assert (await runner.record(record.id)).progress.accepted == 10
        assert runner.backend.loaded("fake") and not runner.engines.loaded("fake")
    finally:
        await runner.aclose()


async def test_an_address_that_names_no_cluster_is_an_error_that_says_so() -> None:
    code = "from workers.backends.ray_cluster import connect_to; connect_to('nowhere')"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert "EngineUnavailableError: no Ray cluster at nowhere: " in done.stderr
    assert "start one with `ray start --head`" in done.stderr
