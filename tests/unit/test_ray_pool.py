"""The pool of actors without a cluster: dead engines, actors that can't be made, jobs refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("ray")

from ray.exceptions import ActorDiedError

from graders.config import GradersConfig
from graders.errors import GraderError
from graders.gate import Gate
from graders.types import Source
from tests.unit.ray_fakes import Handle, install
from workers.backends import ray_pool, ray_worker
from workers.backends.base import Job
from workers.backends.config import RayConfig
from workers.backends.ray_actors import ProducerActor
from workers.backends.ray_pool import RayPool, RayProducer
from workers.engines import lasting
from workers.engines.base import Generation, GenerationRequest, OnText
from workers.engines.config import ScriptedConfig
from workers.engines.scripted import ScriptedEngine
from workers.errors import EngineDiedError, EngineError, EngineUnavailableError
from workers.recipes import SHIPPED
from workers.types import Draw

MODELS = {"fake": ScriptedConfig(latency_s=0.005, concurrency=4)}
SOURCE = Source("a", "Name: Aldra\nKind: river\nLength: 412 km")
JOB = Job("b", SHIPPED["essay"], "fake", Gate({}, ("form",)))
Open = Callable[..., Awaitable[RayPool]]


class Dead(ScriptedEngine):
    """An engine that loads, and dies at its first request."""

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        raise EngineDiedError("the engine's process is gone")


class Hanging(ScriptedEngine):
    """An engine that loads, and never answers."""

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        await asyncio.Event().wait()
        raise AssertionError


class Failing(ScriptedEngine):
    """An engine that lives, and fails its first requests at once, as without its endpoint."""

    left = 10**6

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        if self.left:
            self.left -= 1
            raise EngineError("the endpoint can't be reached")
        return await super().generate(request, on_text)


class Mended(Failing):
    left = 4


class Actor(ProducerActor):
    """Opens the jobs of `refuses` never and those of `slow` late, by their batch ids."""

    def __init__(self, refuses: str = "", slow: str = "") -> None:
        super().__init__("fake", MODELS, GradersConfig(), ())
        self._refuses, self._slow = refuses, slow

    async def open(self, key: str, job: Job) -> None:
        if job.batch_id == self._refuses:
            raise GraderError("the grader's model is not here")
        if job.batch_id == self._slow:
            await asyncio.sleep(3600)
        await super().open(key, job)


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(monkeypatch)
    monkeypatch.setattr(ray_pool, "FIRST_PAUSE", 0.01)
    yield


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[type[ScriptedEngine]]:
    """What the next engines are to be; those after the last are sound."""
    kinds: list[type[ScriptedEngine]] = []

    def build(config: ScriptedConfig) -> ScriptedEngine:
        return (kinds.pop(0) if kinds else ScriptedEngine)(config)

    monkeypatch.setattr(lasting, "build_engine", build)
    return kinds


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens a pool of these actors and waits until all are up; closes it in the end."""
    pools: list[RayPool] = []

    async def open_(*actors: Callable[[], Any], others: Callable[[], Any] = Actor) -> RayPool:
        makes = list(actors)
        pool = RayPool(
            lambda: Handle(makes.pop(0) if makes else others), RayConfig(workers=len(actors))
        )
        pools.append(pool)
        await pool.start()
        async with asyncio.timeout(5):
            while len(pool.workers) < len(actors):
                await asyncio.sleep(0.01)
        return pool

    yield open_
    for pool in pools:
        await pool.aclose()


async def produce(producer: RayProducer, count: int) -> list[Any]:
    async with asyncio.timeout(20):
        return await asyncio.gather(*(producer.produce(Draw(n, SOURCE, n)) for n in range(count)))


async def test_one_dead_engine_of_ten_is_replaced_and_swallows_nothing(
    opened: Open, engines: list[type[ScriptedEngine]]
) -> None:
    engines += [ScriptedEngine] * 4 + [Dead]
    pool = await opened(*[Actor] * 10)
    producer = RayProducer(pool, JOB)
    await producer.start()
    made = await produce(producer, 200)
    assert [item.error for item in made] == [None] * 200
    assert pool.replaced == 1


async def test_an_actor_whose_engine_hangs_is_replaced_and_its_draws_are_made_elsewhere(
    opened: Open, engines: list[type[ScriptedEngine]]
) -> None:
    engines += [Hanging, ScriptedEngine]
    pool = await opened(Actor, Actor)
    producer = RayProducer(pool, replace(JOB, time_limit=0.3))
    await producer.start()
    made = await produce(producer, 40)
    errors = [item.error for item in made if item.error]
    assert errors == ["engine_timeout: no candidate within 0.3 s"] * (lasting.HUNG_AFTER - 1)
    assert pool.replaced == 1


async def produce_some_at_a_time(producer: RayProducer, count: int) -> list[Any]:
    """As a batch does: a new draw when one is done."""
    slots = asyncio.Semaphore(producer.concurrency)

    async def make(seq: int) -> Any:
        async with slots:
            return await producer.produce(Draw(seq, SOURCE, seq))

    async with asyncio.timeout(30):
        return await asyncio.gather(*(make(seq) for seq in range(count)))


async def test_an_engine_that_fails_at_once_does_not_swallow_the_batch(
    opened: Open, engines: list[type[ScriptedEngine]]
) -> None:
    engines += [Failing, ScriptedEngine]
    producer = RayProducer(await opened(Actor, Actor), JOB)
    await producer.start()
    whole = producer.concurrency
    made = await produce_some_at_a_time(producer, 300)
    assert 1 <= sum(item.error is not None for item in made) <= 20
    assert producer.concurrency == whole / 2  # the other's slots are not to be counted on


async def test_an_engine_that_is_mended_works_again(
    opened: Open, engines: list[type[ScriptedEngine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "FIRST_REST", 0.01)
    engines += [Mended, ScriptedEngine]
    pool = await opened(Actor, Actor)
    producer = RayProducer(pool, JOB)
    await producer.start()
    made = await produce_some_at_a_time(producer, 300)
    assert sum(item.error is not None for item in made) == 4
    assert all(worker.trusted for worker in pool.workers)


async def test_draws_of_before_a_rest_do_not_lengthen_it(
    opened: Open, engines: list[type[ScriptedEngine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "FIRST_REST", 0.5)
    engines += [Failing]
    pool = await opened(Actor)
    producer = RayProducer(pool, JOB)
    await producer.start()
    await asyncio.gather(*(producer.produce(Draw(seq, SOURCE, seq)) for seq in range(40)))
    [worker] = pool.workers
    assert worker.suspect and not worker.trusted
    await asyncio.sleep(0.6)
    assert worker.trusted


async def test_engines_that_all_fail_get_the_draws_all_the_same(
    opened: Open, engines: list[type[ScriptedEngine]]
) -> None:
    engines += [Failing, Failing]
    producer = RayProducer(await opened(Actor, Actor), JOB)
    await producer.start()
    made = await produce_some_at_a_time(producer, 40)
    assert {item.error for item in made} == {"engine_error: the endpoint can't be reached"}


async def test_engines_that_all_die_at_once_fail_every_draw_by_name(
    opened: Open, engines: list[type[ScriptedEngine]]
) -> None:
    engines += [Dead] * 1000
    pool = await opened(Actor, Actor)
    producer = RayProducer(pool, JOB)
    await producer.start()
    for item in await produce(producer, 20):
        assert item.error.startswith("engine_error: lost with 3 workers, the last by EngineDied")
    assert pool.replaced <= 20


async def test_an_actor_that_can_not_be_made_is_told_at_once() -> None:
    def create() -> Any:
        raise ValueError("Use the 'num_cpus' keyword instead of 'CPU'")

    pool = RayPool(create, RayConfig(workers=2))
    async with asyncio.timeout(5):
        with pytest.raises(EngineUnavailableError, match=r"no worker came up: .*Use the"):
            await pool.start()
    assert pool.closed
    with pytest.raises(EngineUnavailableError, match="shut down"):
        await pool.start()


async def test_a_job_that_some_actors_refuse_runs_on_the_others_and_harms_no_other(
    opened: Open,
) -> None:
    def picky() -> Any:
        return Actor(refuses="two")

    pool = await opened(Actor, picky, picky)
    one, two = RayProducer(pool, JOB), RayProducer(pool, replace(JOB, batch_id="two"))
    await one.start()
    first, second = await asyncio.gather(produce(one, 40), produce(two, 40))
    assert [item.error for item in first + second] == [None] * 80
    assert pool.replaced == 0


async def test_a_job_that_every_actor_refuses_fails_by_the_grader_s_name(opened: Open) -> None:
    pool = await opened(lambda: Actor(refuses="b"), lambda: Actor(refuses="b"))
    producer = RayProducer(pool, JOB)
    with pytest.raises(GraderError, match="not here"):
        await producer.start()
    for item in await produce(producer, 8):
        assert item.error == (
            "grader_error: no worker could open the job: GraderError: "
            "the grader's model is not here"
        )
    assert pool.replaced == 0 and all(worker.load == 0 for worker in pool.workers)


async def test_a_slow_opening_holds_up_its_own_job_only(opened: Open) -> None:
    pool = await opened(lambda: Actor(slow="two"))
    one, two = RayProducer(pool, JOB), RayProducer(pool, replace(JOB, batch_id="two"))
    waiting = asyncio.create_task(produce(two, 3))
    await asyncio.sleep(0.01)
    await one.start()
    assert [item.error for item in await produce(one, 20)] == [None] * 20
    assert not waiting.done()
    await two.aclose()
    assert {item.error for item in await waiting} == {"engine_error: the job was closed"}
    assert pool.workers[0].load == 0 and pool.replaced == 0


async def test_a_job_that_no_actor_could_be_asked_about_is_an_error(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        raise ActorDiedError

    pool = await opened(Actor)
    monkeypatch.setattr(ray_worker.RayWorker, "open", lost)
    with pytest.raises(EngineUnavailableError, match="no worker could open b: ActorDiedError"):
        await pool.open("key", JOB)
