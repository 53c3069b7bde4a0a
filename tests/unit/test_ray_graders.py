"""Graders on actors without a cluster: slow loads, restarts, impatient callers."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

ray = pytest.importorskip("ray")

from graders.base import Grader  # noqa: E402
from graders.config import GradersConfig  # noqa: E402
from graders.errors import GraderError  # noqa: E402
from graders.types import Candidate, Grade  # noqa: E402
from tests.unit.ray_fakes import Handle, install  # noqa: E402
from workers.backends import ray_actors, ray_cluster, ray_graders  # noqa: E402
from workers.backends.config import RayConfig  # noqa: E402
from workers.backends.ray_actors import GraderActor  # noqa: E402
from workers.backends.ray_cluster import RayCluster  # noqa: E402
from workers.backends.ray_graders import GraderPool, RemoteGrader  # noqa: E402
from workers.errors import EngineUnavailableError  # noqa: E402

TEXTS = [Candidate("b", n, "essay", "text", "text") for n in range(10)]


class Slow:
    """Takes longer to load than a call may last; the first `hanging` calls never end."""

    name, version = "slow", "1"
    load_s = 0.3
    hanging: ClassVar[int] = 0
    broken: ClassVar[set[int]] = set()
    made: ClassVar[int] = 0

    def __init__(self) -> None:
        self._number = Slow.made
        Slow.made += 1

    async def start(self) -> None:
        await asyncio.sleep(self.load_s)
        if self._number in self.broken:
            raise GraderError("the model is not on this node")

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        if Slow.hanging:
            Slow.hanging -= 1
            await asyncio.Event().wait()
        return [Grade("slow", "1", 1.0) for _ in candidates]

    async def aclose(self) -> None: ...


def _build(config: GradersConfig, names: Sequence[str]) -> list[Grader]:
    return [Slow() for _ in names]


def new_actor() -> Handle:
    return Handle(lambda: GraderActor(GradersConfig(), ("slow",)))


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Handle]]:
    """The actors that the pool makes."""
    install(monkeypatch)
    actors: list[Handle] = []

    def remote(*_: object) -> Handle:
        actors.append(new_actor())
        return actors[-1]

    options = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=remote))
    monkeypatch.setattr(ray_graders.ray, "remote", lambda cls: options)
    monkeypatch.setattr(ray_actors, "build_graders", _build)
    monkeypatch.setattr(ray_graders, "GRADE_SECONDS", 0.1)
    monkeypatch.setattr(ray_graders, "PAUSES", (0.01, 0.02))
    for name, value in {"hanging": 0, "broken": set(), "made": 0}.items():
        monkeypatch.setattr(Slow, name, value)
    yield actors


def pool(workers: int) -> GraderPool:
    config = RayConfig(graders_on=("form",), grader_workers=workers)
    return GraderPool(config, GradersConfig())


async def grade(grader: RemoteGrader) -> list[Any]:
    async with asyncio.timeout(5):
        return await asyncio.gather(*(grader.grade([text]) for text in TEXTS))


async def test_graders_that_load_longer_than_a_call_may_last_come_up_once(
    made: list[Handle],
) -> None:
    opened = pool(3)
    await opened.start()
    [grader] = opened.graders
    assert [grade.score for [grade] in await grade(grader)] == [1.0] * 10
    await opened.aclose()
    assert len(made) == 3 and Slow.made == 6  # each once, and once more by the kill that closes


async def test_a_hung_grader_is_restarted_and_given_time_to_load(made: list[Handle]) -> None:
    opened = pool(1)
    await opened.start()
    [grader] = opened.graders
    Slow.hanging = 1
    assert [grade.score for [grade] in await grade(grader)] == [1.0] * 10
    made[0].restart()
    assert [grade.score for [grade] in await grade(grader)] == [1.0] * 10
    await opened.aclose()


async def test_one_grader_that_can_not_load_leaves_the_work_to_the_others(
    made: list[Handle],
) -> None:
    Slow.broken = {0, 2}
    opened = pool(3)
    await opened.start()
    [grader] = opened.graders
    assert [grade.score for [grade] in await grade(grader)] == [1.0] * 10
    await opened.aclose()


async def test_graders_that_none_can_load_are_named(made: list[Handle]) -> None:
    Slow.broken = {0, 1}
    opened = pool(2)
    with pytest.raises(GraderError, match="the graders on the cluster: the model is not on this"):
        await opened.start()
    assert all(actor.dead for actor in made)
    Slow.broken = set(range(100))
    with pytest.raises(GraderError, match="no grader answered: GraderError: the model is not on"):
        await RemoteGrader("slow", "1", [new_actor(), new_actor()]).grade(TEXTS[:1])


async def test_callers_that_give_up_do_not_spoil_the_start(made: list[Handle]) -> None:
    opened = pool(2)
    for _ in range(4):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.08):
                await opened.start()
    await opened.start()
    assert len(made) == 2 and opened.graders
    await opened.aclose()
    assert all(actor.dead for actor in made)


async def test_a_connection_whose_caller_gave_up_is_made_once_and_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def connect(address: str | None) -> None:
        import time

        time.sleep(0.1)
        calls.append("init")

    monkeypatch.setattr(ray_cluster, "connect_to", connect)
    monkeypatch.setattr(ray_cluster.ray, "is_initialized", lambda: "init" in calls)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: calls.append("shutdown"))
    cluster, other = RayCluster(None), RayCluster(None)
    for one in (cluster, other, cluster):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await one.connect()
    await cluster.connect()
    assert calls == ["init"]
    await cluster.aclose()
    await other.aclose()
    assert calls == ["init", "shutdown"]


async def test_a_connection_that_fails_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [EngineUnavailableError("no Ray cluster at here")]

    def connect(address: str | None) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(ray_cluster, "connect_to", connect)
    monkeypatch.setattr(ray_cluster.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: None)
    cluster = RayCluster("here")
    with pytest.raises(EngineUnavailableError, match="no Ray cluster"):
        await cluster.connect()
    await cluster.connect()
    await cluster.aclose()
