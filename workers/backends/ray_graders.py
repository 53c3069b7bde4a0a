"""Graders in a pool of their own: what forwards texts to them, and how the pool is made."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from graders.config import GradersConfig
from graders.errors import GraderError
from graders.types import Candidate, Grade
from workers.backends.config import RayConfig
from workers.backends.ray_actors import GraderActor, Health, NotStartedError
from workers.backends.ray_cluster import cause
from workers.backends.ray_worker import LOAD_SECONDS
from workers.shared_work import SharedWork

logger = logging.getLogger(__name__)
AT_ONCE = 64
GRADE_SECONDS = 120.0
"""For one call. Not `unresponsive_seconds`: an actor that grades long texts answers no sooner."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Between tries to bring an actor up; Ray restarts one that died meanwhile."""
MOST_LOSSES = 7
"""A text that so many actors were lost with stays ungraded."""
LOSSES = (NotStartedError, RayError, TimeoutError)


@dataclass(eq=False, slots=True)
class Asked:
    """One text that waits for its grade. `losses` counts the actors that were lost with it."""

    candidate: Candidate
    grade: "asyncio.Future[Grade]"
    losses: int = 0


class RemoteGrader:
    """A Grader that forwards to actors. Texts gather while a call is out, and travel together.

    An actor gets work when its graders are loaded, which may take `LOAD_SECONDS`. One that died
    is restarted by Ray, one that does not answer within `GRADE_SECONDS` is killed to be
    restarted; both are brought up again, and their texts go to whoever is up. When that was of no
    use, GraderError is raised, which leaves the texts ungraded.
    """

    def __init__(self, name: str, version: str, actors: Sequence[Any]) -> None:
        self.name = name
        self.version = version
        self._actors = list(actors)
        self._up: set[int] = set()
        self._coming_up: set[int] = set()
        self._waiting: deque[Asked] = deque()
        self._lanes: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """The actors start by themselves."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        loop = asyncio.get_running_loop()
        mine = [Asked(candidate, loop.create_future()) for candidate in candidates]
        self._waiting += mine
        self._open_lanes()
        return list(await asyncio.gather(*(asked.grade for asked in mine)))

    async def aclose(self) -> None:
        """Batches share it: what it forwards to is closed by the backend."""

    def _open_lanes(self) -> None:
        """Put one more actor to work, if one is idle, and have those come up that are not."""
        idle = [n for n in range(len(self._actors)) if n not in self._lanes]
        ready = [n for n in idle if n in self._up]
        for number in [*ready[:1], *(n for n in idle if n not in self._up)]:
            self._lanes[number] = asyncio.create_task(self._serve(number))
            self._lanes[number].add_done_callback(partial(self._close_lane, number))

    def _close_lane(self, number: int, lane: "asyncio.Task[None]") -> None:
        del self._lanes[number]
        if not lane.cancelled() and self._waiting and number in self._up:
            self._open_lanes()  # for what came after it had looked

    async def _serve(self, number: int) -> None:
        """One actor's work: come up, then grade for as long as texts wait."""
        while self._waiting:
            if number not in self._up and not await self._bring_up(number):
                return
            if batch := self._take():
                await self._forward(number, batch)

    async def _bring_up(self, number: int) -> bool:
        """Have the actor load its graders. The last to fail at it gives up what waits."""
        error: BaseException = GraderError("never asked")
        self._coming_up.add(number)
        for pause in PAUSES:
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    await self._actors[number].versions.remote()
            except (GraderError, RayError, TimeoutError) as exc:
                error = cause(exc)
                logger.warning("grader %s did not come up, trying again: %s", self.name, error)
                await asyncio.sleep(pause)
            else:
                self._coming_up.discard(number)
                self._up.add(number)
                return True
        self._coming_up.discard(number)
        if not self._up and not self._coming_up:
            while self._waiting:
                _give_up(self._waiting.popleft(), error)
        return False

    def _take(self) -> list[Asked]:
        count = min(AT_ONCE, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(count)]
        return [asked for asked in batch if not asked.grade.done()]

    async def _forward(self, number: int, batch: list[Asked]) -> None:
        actor = self._actors[number]
        try:
            async with asyncio.timeout(GRADE_SECONDS):
                texts = [asked.candidate for asked in batch]
                grades: list[Grade] = await actor.grade.remote(self.name, texts)
            for asked, grade in zip(batch, grades, strict=True):
                if not asked.grade.done():
                    asked.grade.set_result(grade)
        except LOSSES as exc:
            if isinstance(exc, RayTaskError) and not isinstance(exc, NotStartedError):
                _fail(batch, cause(exc))  # the grader's own error: no other actor would fare better
                return
            if isinstance(exc, TimeoutError):
                ray.kill(actor, no_restart=False)
            self._lose(number, batch, cause(exc))
        except Exception as exc:  # noqa: BLE001 - the panel leaves them ungraded and says why
            _fail(batch, exc)

    def _lose(self, number: int, batch: list[Asked], error: BaseException) -> None:
        """The actor is to be brought up again; its texts go to the front of what waits."""
        logger.warning("grader %s is lost, trying again: %s", self.name, error)
        self._up.discard(number)
        for asked in reversed(batch):
            asked.losses += 1
            if asked.losses >= MOST_LOSSES:
                _give_up(asked, error)
            else:
                self._waiting.appendleft(asked)
        self._open_lanes()


def _fail(batch: Sequence[Asked], error: BaseException) -> None:
    said = error if isinstance(error, GraderError) else f"{type(error).__name__}: {error}"
    for asked in batch:
        if not asked.grade.done():
            asked.grade.set_exception(GraderError(str(said)))


def _give_up(asked: Asked, error: BaseException) -> None:
    _fail([asked], GraderError(f"no grader answered: {type(error).__name__}: {error}"))


class GraderPool:
    """The actors of the graders in `config.graders_on`; none, where there are none."""

    def __init__(self, config: RayConfig, graders: GradersConfig) -> None:
        self._config = config
        self._graders = graders
        self._actors: list[Any] = []
        self._loads: list[asyncio.Future[dict[str, str]]] = []
        self._starting = SharedWork("start the graders", self._start)
        self.graders: tuple[RemoteGrader, ...] = ()

    async def start(self) -> None:
        """Make the actors and wait until one has loaded its graders. Raises GraderError.

        A caller that is cancelled leaves the start to the others.
        """
        if self._config.graders_on and not self.graders:
            await self._starting.run()

    async def _start(self) -> None:
        try:
            create = self._creator()
            self._actors = [create() for _ in range(self._config.grader_workers)]
            self._loads = [asyncio.ensure_future(_versions(actor)) for actor in self._actors]
            versions = await _first_of(self._loads)
        except Exception as exc:
            self._end()
            raise GraderError(f"the graders on the cluster: {cause(exc)}") from exc
        self.graders = tuple(
            RemoteGrader(name, version, self._actors) for name, version in versions.items()
        )

    def _creator(self) -> Callable[[], Any]:
        config = self._config
        remote = ray.remote(GraderActor).options(
            num_cpus=config.grader_cpus,
            num_gpus=config.grader_gpus,
            max_restarts=-1,
            scheduling_strategy="SPREAD",
        )
        return lambda: remote.remote(self._graders, config.graders_on)

    async def health(self) -> list[Health]:
        """Where each actor runs. Raises RayError for one that does not answer."""
        return [await actor.health.remote() for actor in self._actors]

    async def aclose(self) -> None:
        """Kill the actors."""
        await self._starting.aclose()
        self._end()

    def _end(self) -> None:
        for load in self._loads:
            load.cancel()
        actors, self._actors, self._loads, self.graders = self._actors, [], [], ()
        for actor in actors:
            ray.kill(actor)


async def _versions(actor: Any) -> dict[str, str]:
    async with asyncio.timeout(LOAD_SECONDS):
        versions: dict[str, str] = await actor.versions.remote()
    return versions


async def _first_of(loads: Sequence["asyncio.Future[dict[str, str]]"]) -> dict[str, str]:
    """What the first load to succeed brings; the last one's error when none does."""
    for load in loads:
        load.add_done_callback(_log_failure)
    for load in asyncio.as_completed(loads):
        with suppress(GraderError, RayError, TimeoutError):
            return await load
    return loads[-1].result()


def _log_failure(load: "asyncio.Future[dict[str, str]]") -> None:
    if not load.cancelled() and (error := load.exception()):
        logger.warning("a grader's actor did not come up: %s", cause(error))
