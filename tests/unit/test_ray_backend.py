"""The Ray backend without a cluster: models that compete for room, what is refused or warned of."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

ray = pytest.importorskip("ray")

from graders.config import GradersConfig  # noqa: E402
from graders.gate import Gate  # noqa: E402
from tests.unit.ray_fakes import Handle, install  # noqa: E402
from workers.backends import ray_backend  # noqa: E402
from workers.backends.base import Job  # noqa: E402
from workers.backends.config import RayConfig  # noqa: E402
from workers.backends.ray_actors import Health, ProducerActor  # noqa: E402
from workers.backends.ray_backend import RayBackend  # noqa: E402
from workers.backends.ray_cluster import RayCluster  # noqa: E402
from workers.engines.config import (  # noqa: E402
    EngineConfig,
    ScriptedConfig,
    TransformersConfig,
    VllmConfig,
)
from workers.errors import SpecError  # noqa: E402
from workers.recipes import SHIPPED  # noqa: E402

MODELS: Mapping[str, EngineConfig] = {"one": ScriptedConfig(), "two": ScriptedConfig()}
JOB = Job("b", SHIPPED["essay"], "one", Gate({}, ("form",)))


class Crowded(RayBackend):
    """On a cluster with room for one actor: the next is placed when those before it are gone."""

    def __init__(self, config: RayConfig) -> None:
        super().__init__(config, MODELS, GradersConfig())
        self.handles: list[Handle] = []

    def _create(self, model: str) -> Handle:
        earlier = list(self.handles)

        class Placed(ProducerActor):
            async def health(self) -> Health:
                while not all(handle.dead for handle in earlier):
                    await asyncio.sleep(0.01)
                return await super().health()

        self.handles.append(Handle(lambda: Placed(model, MODELS, GradersConfig(), ())))
        return self.handles[-1]


@pytest.fixture
async def backend(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crowded]:
    async def connect(cluster: RayCluster) -> None: ...

    install(monkeypatch)
    monkeypatch.setattr(RayCluster, "connect", connect)
    monkeypatch.setattr(ray_backend, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(ray_backend, "IDLE_SECONDS", 0.2)
    opened = Crowded(RayConfig())
    yield opened
    await opened.aclose()


async def test_a_model_without_room_gets_that_of_one_that_nobody_uses(
    backend: Crowded, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10):
        async with backend.producer(JOB):
            pass
        async with backend.producer(replace(JOB, model="two")):
            assert backend.loaded("two") and not backend.loaded("one")
    assert "two waits for room; other models' actors: one (1)" in caplog.messages
    assert "the idle actors of one make room for two" in caplog.messages


async def test_a_model_that_a_job_uses_keeps_its_room_and_the_wait_is_told_once(
    backend: Crowded, caplog: pytest.LogCaptureFixture
) -> None:
    async with backend.producer(JOB):
        waiting = asyncio.create_task(backend.ready("two"))
        await asyncio.sleep(0.5)
        assert backend.loaded("one") and not waiting.done()
    assert [message for message in caplog.messages if "room" in message] == [
        "two waits for room; other models' actors: one (1)"
    ]
    async with asyncio.timeout(10):
        await waiting
    assert backend.loaded("two")


async def test_a_slow_load_ends_no_other_model(
    backend: Crowded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def load(actor: ProducerActor) -> int:
        await asyncio.sleep(3600)
        return 0

    await backend.ready("one")
    backend.handles.clear()  # there is room for two
    monkeypatch.setattr(ProducerActor, "start", load)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await backend.ready("two")
    assert backend.loaded("one") and not backend.loaded("two")


async def test_gpus_that_no_actor_gets_are_warned_of_once(
    backend: Crowded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": 4.0})
    backend.models = {"one": TransformersConfig()}
    for _ in range(2):
        await backend.pool("one")
    assert [message for message in caplog.messages if "GPU" in message] == [
        "the cluster has 4 GPUs and the actors of one get none: set backend.num_gpus"
    ]


async def test_a_recipe_of_json_is_refused_before_any_actor_is_made(backend: Crowded) -> None:
    backend.models = {"one": TransformersConfig()}
    job = replace(JOB, recipe=replace(JOB.recipe, json_schema={"type": "object"}))
    with pytest.raises(SpecError, match="wants JSON"):
        async with backend.producer(job):
            pass
    assert not backend.handles


def test_a_model_that_is_split_over_more_gpus_than_its_actor_gets_is_refused() -> None:
    split = {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}
    models = {"big": VllmConfig(engine_args=split)}
    with pytest.raises(SpecError, match=r"models\.big is split over 4 GPUs .*num_gpus to 4"):
        RayBackend(RayConfig(num_gpus=2), models, GradersConfig())
    for gpus in (0, 4):
        RayBackend(RayConfig(num_gpus=gpus), models, GradersConfig())
    by_ray = {"big": VllmConfig(engine_args={**split, "distributed_executor_backend": "ray"})}
    RayBackend(RayConfig(num_gpus=1), by_ray, GradersConfig())
