"""Backend `ray`: the models are loaded by actors of a cluster, several for each model."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import ray

from graders.config import GradersConfig
from workers.backends.base import Job
from workers.backends.config import RayConfig
from workers.backends.ray_actors import ProducerActor
from workers.backends.ray_cluster import RayCluster
from workers.backends.ray_graders import GraderPool
from workers.backends.ray_pool import RayPool, RayProducer
from workers.engines.config import EngineConfig


class RayBackend:
    """See workers.backends.base.Backend. A model's actors start when it is first needed."""

    def __init__(
        self, config: RayConfig, models: Mapping[str, EngineConfig], graders: GradersConfig
    ) -> None:
        self.models = models
        self._config = config
        self._graders = graders
        self._cluster = RayCluster(config.address)
        self.placed = GraderPool(config, graders)
        self._pools: dict[str, RayPool] = {}

    async def ready(self, model: str) -> None:
        """Wait until an actor has loaded this model. Raises EngineUnavailableError, GraderError."""
        await self.pool(model)

    def loaded(self, model: str) -> bool:
        return model in self._pools and self._pools[model].concurrency > 0

    @asynccontextmanager
    async def producer(self, job: Job) -> AsyncIterator[RayProducer]:
        producer = RayProducer(await self.pool(job.model), job)
        try:
            await producer.start()
            yield producer
        finally:
            await producer.aclose()

    async def pool(self, model: str) -> RayPool:
        """The model's actors, of which one at least is up; a pool that failed is made anew."""
        await self._cluster.connect()
        await self.placed.start()
        pool = self._pools.get(model)
        if pool is None or pool.closed:
            pool = self._pools[model] = RayPool(lambda: self._create(model), self._config)
        await pool.start()
        return pool

    async def aclose(self) -> None:
        """Kill every actor and disconnect."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()
        await self.placed.aclose()
        await self._cluster.aclose()

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
