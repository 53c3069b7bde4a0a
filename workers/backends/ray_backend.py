"""Backend `ray`: the models are loaded by actors of a cluster, several for each model."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import ray

from graders.config import GradersConfig
from workers.backends.base import Job, check_structured
from workers.backends.config import RayConfig, check_gpus, takes_gpu
from workers.backends.ray_actors import ProducerActor
from workers.backends.ray_cluster import RayCluster
from workers.backends.ray_graders import GraderPool
from workers.backends.ray_pool import RayPool, RayProducer
from workers.engines.config import EngineConfig

logger = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
"""How long a model waits for room before a look at why, and from one look to the next."""
IDLE_SECONDS = 60.0
"""Actors that nobody has used for so long give their room to a model that has none."""


class RayBackend:
    """See workers.backends.base.Backend. A model's actors start when it is first needed.

    They stay, unless another model finds no room while no job uses them. Raises SpecError for a
    model that needs more GPUs than an actor gets.
    """

    def __init__(
        self, config: RayConfig, models: Mapping[str, EngineConfig], graders: GradersConfig
    ) -> None:
        check_gpus(config, models)
        self.models = models
        self._config = config
        self._graders = graders
        self._cluster = RayCluster(config.address)
        self.placed = GraderPool(config, graders)
        self._pools: dict[str, RayPool] = {}
        self._warned = False

    async def ready(self, model: str) -> None:
        """Wait until an actor has loaded this model. Raises EngineUnavailableError, GraderError."""
        await self.pool(model)

    def loaded(self, model: str) -> bool:
        return model in self._pools and self._pools[model].concurrency > 0

    @asynccontextmanager
    async def producer(self, job: Job) -> AsyncIterator[RayProducer]:
        check_structured(job.recipe, self.models[job.model])
        producer = RayProducer(await self.pool(job.model), job)
        try:
            await producer.start()
            yield producer
        finally:
            await producer.aclose()

    async def pool(self, model: str) -> RayPool:
        """The model's actors, of which one at least is up; a pool that failed is made anew."""
        await self._cluster.connect()
        await self._warn_without_gpu(model)
        await self.placed.start()
        pool = self._pools.get(model)
        if pool is None or pool.closed:
            pool = self._pools[model] = RayPool(lambda: self._create(model), self._config)
        making_room = asyncio.create_task(self._make_room(model, pool))
        try:
            await pool.start()
        finally:
            making_room.cancel()
        return pool

    async def aclose(self) -> None:
        """Kill every actor and disconnect."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()
        await self.placed.aclose()
        await self._cluster.aclose()

    async def _make_room(self, model: str, pool: RayPool) -> None:
        """Say what this model waits for, and end the actors of those that nobody uses."""
        told = None
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not pool.lacks_room:
                continue
            up = {name: other for name, other in self._pools.items() if other.workers}
            held = ", ".join(f"{name} ({len(other.workers)})" for name, other in up.items())
            if held != told:
                told, others = held, held or "none"
                logger.warning("%s waits for room; other models' actors: %s", model, others)
            for name, other in up.items():
                if other.idle_seconds >= IDLE_SECONDS:
                    logger.warning("the idle actors of %s make room for %s", name, model)
                    await other.aclose()

    async def _warn_without_gpu(self, model: str) -> None:
        if self._warned or self._config.num_gpus or not takes_gpu(self.models[model]):
            return
        gpus = (await asyncio.to_thread(ray.cluster_resources)).get("GPU", 0)
        if gpus:
            self._warned = True
            told = "the cluster has %g GPUs and the actors of %s get none: set backend.num_gpus"
            logger.warning(told, gpus, model)

    def _create(self, model: str) -> Any:
        config = self._config
        actor = ray.remote(ProducerActor).options(
            num_cpus=config.num_cpus,
            num_gpus=config.num_gpus,
            resources=dict(config.resources),
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        return actor.remote(model, dict(self.models), self._graders, self.placed.graders)
