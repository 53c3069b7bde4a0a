"""What every producer promises, asked of each: in this process, and on a Ray cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from graders.config import GradersConfig
from graders.gate import Gate
from graders.types import Source
from workers.backends.base import Backend, Job
from workers.backends.config import BackendConfig, LocalConfig, RayConfig
from workers.compose import open_backend
from workers.engines.config import EngineConfig, ScriptedConfig
from workers.engines.pool import EnginePool
from workers.producer import Producer
from workers.recipes import SHIPPED
from workers.types import Draw

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODELS: Mapping[str, EngineConfig] = {
    "quick": ScriptedConfig(concurrency=8, latency_s=0.01),
    "slow": ScriptedConfig(concurrency=8, latency_s=600),
    "broken": ScriptedConfig(concurrency=8, failure_rate=1),
}
SOURCE = Source("a", "Name: Aldra\nKind: river\nLength: 412 km\nMouth: the Rimsee")
GATE = Gate({"form": 1.0, "consistency": 0.5}, ("form", "consistency"))

Open = Callable[[str], AbstractAsyncContextManager[Producer]]


def local(request: pytest.FixtureRequest) -> BackendConfig:
    return LocalConfig()


def on_ray(request: pytest.FixtureRequest) -> BackendConfig:
    cluster: Any = request.getfixturevalue("ray_cluster")
    return RayConfig(address=cluster.address, num_cpus=0.5)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[local, pytest.param(on_ray, marks=pytest.mark.ray)],
    ids=lambda config: config.__name__,
)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """Each kind of backend, with three models."""
    config = request.param(request)
    opened = open_backend(config, EnginePool(MODELS), GradersConfig())
    yield opened
    await opened.aclose()


@pytest.fixture
def producing(backend: Backend) -> Open:
    """A producer of essays by this model."""

    @asynccontextmanager
    async def open_(model: str) -> AsyncIterator[Producer]:
        async with backend.producer(Job("b", SHIPPED["essay"], model, GATE)) as producer:
            yield producer

    return open_


async def test_every_draw_comes_back_once_judged_and_as_itself(producing: Open) -> None:
    draws = [Draw(seq, SOURCE, seed=100 + seq) for seq in range(30)]
    async with producing("quick") as producer:
        assert producer.concurrency >= 8
        produced = await asyncio.gather(*map(producer.produce, draws))
    assert [item.draw for item in produced] == draws
    for item in produced:
        assert item.error is None and item.candidate is not None and item.verdict is not None
        assert (item.candidate.seq, item.candidate.seed) == (item.draw.seq, item.draw.seed)
        assert item.candidate.batch_id == "b"
        stopped = item.candidate.finish_reason == "aborted"
        assert item.grades[0].grader == "form" or stopped
    assert {item.verdict.accepted for item in produced if item.verdict} == {True, False}


async def test_a_draw_is_the_same_text_wherever_it_is_produced(producing: Open) -> None:
    here = open_backend(LocalConfig(), EnginePool(MODELS), GradersConfig())
    async with (
        producing("quick") as producer,
        here.producer(Job("b", SHIPPED["essay"], "quick", GATE)) as local_producer,
    ):
        one = await producer.produce(Draw(3, SOURCE, 7))
        other = await local_producer.produce(Draw(3, SOURCE, 7))
    await here.aclose()
    assert one.candidate is not None and other.candidate is not None
    assert one.candidate.text == other.candidate.text
    assert one.verdict == other.verdict


async def test_a_failure_is_named_and_not_raised(producing: Open) -> None:
    async with producing("broken") as producer:
        produced = await producer.produce(Draw(0, SOURCE, 1))
    assert produced.candidate is None
    assert produced.error == "engine_error: the scripted engine was told to fail this request"


async def test_a_cancelled_draw_gives_its_place_to_the_next(producing: Open) -> None:
    async with producing("slow") as producer:
        for _ in range(3):
            tasks = [
                asyncio.create_task(producer.produce(Draw(n, SOURCE, n)))
                for n in range(2 * producer.concurrency)
            ]
            done, _ = await asyncio.wait(tasks, timeout=0.05)
            assert not done
            for task in tasks:
                task.cancel()
            done, _ = await asyncio.wait(tasks, timeout=10)
            assert all(task.cancelled() for task in done) and len(done) == len(tasks)
    async with producing("quick") as producer:
        assert (await producer.produce(Draw(0, SOURCE, 1))).error is None


async def test_two_jobs_share_a_model_and_keep_their_draws_apart(producing: Open) -> None:
    async with producing("quick") as one, producing("quick") as two:
        first, second = await asyncio.gather(
            one.produce(Draw(0, SOURCE, 1)), two.produce(Draw(0, SOURCE, 2))
        )
    assert first.candidate is not None and second.candidate is not None
    assert (first.candidate.seed, second.candidate.seed) == (1, 2)
