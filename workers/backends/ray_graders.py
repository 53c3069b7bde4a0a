"""Graders in a pool of their own: what forwards texts to them, and how the pool is made."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from graders.config import GradersConfig
from graders.errors import GraderError
from graders.types import Candidate, Grade
from workers.backends.config import RayConfig
from workers.backends.ray_actors import GraderActor, Health
from workers.backends.ray_cluster import cause

logger = logging.getLogger(__name__)
AT_ONCE = 64
GRADE_SECONDS = 120.0
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Between tries; Ray restarts an actor that died meanwhile."""

Waiting = tuple[Candidate, "asyncio.Future[Grade]"]


class RemoteGrader:
    """A Grader that forwards to actors. Texts gather while a call is out, and travel together.

    An actor that died is restarted by Ray, one that does not answer is killed to be restarted;
    the call is repeated on the next actor. When that was of no use, GraderError is raised, which
    leaves the texts ungraded.
    """

    def __init__(self, name: str, version: str, actors: Sequence[Any]) -> None:
        self.name = name
        self.version = version
        self._actors = list(actors)
        self._waiting: list[Waiting] = []
        self._lanes: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """The actors start by themselves."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        loop = asyncio.get_running_loop()
        mine = [(candidate, loop.create_future()) for candidate in candidates]
        self._waiting += mine
        self._open_lane()
        return list(await asyncio.gather(*(future for _, future in mine)))

    async def aclose(self) -> None:
        """Batches share it: what it forwards to is closed by the backend."""

    def _open_lane(self) -> None:
        """Put one more actor to work, if one is idle."""
        idle = [n for n in range(len(self._actors)) if n not in self._lanes]
        if idle and self._waiting:
            lane = asyncio.create_task(self._forward(idle[0]))
            self._lanes[idle[0]] = lane
            lane.add_done_callback(lambda _: self._close_lane(idle[0]))

    def _close_lane(self, number: int) -> None:
        del self._lanes[number]
        self._open_lane()  # for what came after it had looked

    async def _forward(self, first: int) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            batch = [(candidate, future) for candidate, future in batch if not future.done()]
            try:
                grades = await self._ask(first, [candidate for candidate, _ in batch])
            except Exception as exc:  # noqa: BLE001 - the panel leaves them ungraded and says why
                for _, future in batch:
                    if not future.done():
                        future.set_exception(exc)
            else:
                for (_, future), grade in zip(batch, grades, strict=True):
                    if not future.done():
                        future.set_result(grade)

    async def _ask(self, first: int, candidates: list[Candidate]) -> list[Grade]:
        error: BaseException = GraderError("never asked")
        for attempt, pause in enumerate(PAUSES):
            actor = self._actors[(first + attempt) % len(self._actors)]
            try:
                async with asyncio.timeout(GRADE_SECONDS):
                    grades: list[Grade] = await actor.grade.remote(self.name, candidates)
                return grades
            except GraderError as exc:
                raise GraderError(str(cause(exc))) from exc
            except TimeoutError as exc:
                error = exc
                ray.kill(actor, no_restart=False)
            except RayError as exc:
                error = cause(exc)
                if error is not exc:  # the grader's own error: no other actor would fare better
                    break
            logger.warning("grader %s is lost, trying again: %s", self.name, error)
            await asyncio.sleep(pause)
        raise GraderError(f"no grader answered: {type(error).__name__}: {error}") from error


class GraderPool:
    """The actors of the graders in `config.graders_on`; none, where there are none."""

    def __init__(self, config: RayConfig, graders: GradersConfig) -> None:
        self._config = config
        self._graders = graders
        self._actors: list[Any] = []
        self._starting = asyncio.Lock()
        self.graders: tuple[RemoteGrader, ...] = ()

    async def start(self) -> None:
        """Make the actors and wait until one has started. Raises GraderError."""
        async with self._starting:
            if self.graders or not self._config.graders_on:
                return
            config = self._config
            remote = ray.remote(GraderActor).options(
                num_cpus=config.grader_cpus,
                num_gpus=config.grader_gpus,
                max_restarts=-1,
                scheduling_strategy="SPREAD",
            )
            self._actors = [
                remote.remote(self._graders, config.graders_on)
                for _ in range(config.grader_workers)
            ]
            try:
                versions = await self._actors[0].versions.remote()
            except (GraderError, RayError) as exc:
                await self.aclose()
                raise GraderError(f"the graders on the cluster: {cause(exc)}") from exc
            self.graders = tuple(
                RemoteGrader(name, version, self._actors) for name, version in versions.items()
            )

    async def health(self) -> list[Health]:
        """Where each actor runs. Raises RayError for one that does not answer."""
        return [await actor.health.remote() for actor in self._actors]

    async def aclose(self) -> None:
        """Kill the actors."""
        actors, self._actors, self.graders = self._actors, [], ()
        for actor in actors:
            ray.kill(actor)
