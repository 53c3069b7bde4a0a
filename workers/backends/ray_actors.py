"""What runs on the cluster: an actor that hosts an engine, and one that hosts graders."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray

from graders.base import Grader
from graders.config import GradersConfig
from graders.errors import GraderError
from graders.panel import timed
from graders.registry import build_graders
from graders.types import Candidate, Grade
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines.config import EngineConfig
from workers.engines.pool import EnginePool
from workers.errors import EngineDiedError
from workers.producer import LocalProducer
from workers.types import Draw, Produced

Parcel = tuple[int, str, Draw]
"""One draw as it travels: its ticket, which is new for each try, the key of its job, the draw."""


@dataclass(frozen=True, slots=True)
class Health:
    """Where an actor runs, and how many draws it has in hand."""

    node: str
    pid: int
    in_hand: int = 0


class NotStartedError(GraderError):
    """The actor was restarted: its graders are to be loaded first, by `versions`."""


class ProducerActor:
    """Hosts one model, and a LocalProducer for each job that is open. Results leave in batches.

    An engine that dies ends the actor's work: what it had in hand is dropped, and `collect`
    raises EngineDiedError, so that the draws are made elsewhere and the actor is replaced.
    """

    def __init__(
        self,
        model: str,
        models: Mapping[str, EngineConfig],
        graders: GradersConfig,
        placed: Sequence[Grader],
    ) -> None:
        self._model = model
        self._engines = EnginePool(models, self._die)
        self._backend = LocalBackend(self._engines, graders, {g.name: g for g in placed})
        self._jobs: dict[str, asyncio.Task[_OpenJob]] = {}
        self._tasks: dict[int, asyncio.Task[Produced]] = {}
        self._done: list[tuple[int, Produced]] = []
        self._finished = asyncio.Event()
        self._death: EngineDiedError | None = None

    async def health(self) -> Health:
        return _health(len(self._tasks))

    async def start(self) -> int:
        """Load the model; how many draws keep it busy. Raises EngineUnavailableError."""
        return (await self._engines.get(self._model)).concurrency

    async def open(self, key: str, job: Job) -> None:
        """Make ready for the draws of a job; does nothing the second time. Raises GraderError."""
        if key not in self._jobs:
            self._jobs[key] = asyncio.create_task(self._make_ready(job))
        await asyncio.shield(self._jobs[key])

    async def close(self, key: str) -> None:
        """Forget a job that has ended, also one that is still being opened."""
        if (opening := self._jobs.pop(key, None)) is None:
            return
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled() and not opening.exception():
            await opening.result().stack.aclose()

    async def submit(self, parcels: Sequence[Parcel]) -> None:
        """Begin with these draws; returns at once. Their jobs must be open."""
        if self._death:
            raise self._death
        for ticket, key, draw in parcels:
            task = asyncio.create_task(self._jobs[key].result().producer.produce(draw))
            self._tasks[ticket] = task
            task.add_done_callback(partial(self._finish, ticket, draw))

    async def cancel(self, tickets: Sequence[int]) -> None:
        """Drop these draws; they are not collected."""
        for ticket in tickets:
            if task := self._tasks.get(ticket):
                task.cancel()

    async def collect(self, wait_s: float) -> list[tuple[int, Produced]]:
        """All that finished since the last call, waiting for the first up to `wait_s` seconds.

        Raises EngineDiedError, when what was finished before that has been collected.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._finished.wait()
        done, self._done = self._done, []
        if self._death is None:
            self._finished.clear()
        elif not done:
            raise self._death
        return done

    async def _make_ready(self, job: Job) -> "_OpenJob":
        stack = AsyncExitStack()
        return _OpenJob(await stack.enter_async_context(self._backend.producer(job)), stack)

    def _die(self, death: EngineDiedError) -> None:
        self._death = EngineDiedError(str(death))
        for task in self._tasks.values():
            task.cancel()
        self._finished.set()

    def _finish(self, ticket: int, draw: Draw, task: asyncio.Task[Produced]) -> None:
        del self._tasks[ticket]
        if task.cancelled():
            return
        if (exc := task.exception()) is not None:
            produced = Produced(draw, error=f"engine_error: {type(exc).__name__}: {exc}")
        else:
            produced = task.result()
        self._done.append((ticket, produced))
        self._finished.set()


@dataclass(frozen=True, slots=True)
class _OpenJob:
    """A job's producer, and what closes it."""

    producer: LocalProducer
    stack: AsyncExitStack


class GraderActor:
    """Hosts graders that ask no model. When Ray has restarted it, `versions` loads them again."""

    def __init__(self, config: GradersConfig, names: Sequence[str]) -> None:
        self._graders = {grader.name: grader for grader in build_graders(config, names)}
        self._starting = asyncio.Lock()
        self._started = False

    async def health(self) -> Health:
        return _health()

    async def versions(self) -> dict[str, str]:
        """Load the graders, once; each one's version. Raises GraderError."""
        await self._start()
        return {name: grader.version for name, grader in self._graders.items()}

    async def grade(self, name: str, candidates: Sequence[Candidate]) -> list[Grade]:
        """As the grader of this name. Raises NotStartedError before `versions` was called."""
        if not self._started:
            raise NotStartedError("the graders are not loaded")
        return await timed(self._graders[name], candidates)

    async def _start(self) -> None:
        async with self._starting:
            if not self._started:
                for grader in self._graders.values():
                    await grader.start()
                self._started = True


def end_process(pid: int) -> None:
    """Kill the process of a ProducerActor on this machine, if it is still there."""
    with contextlib.suppress(OSError):
        if ProducerActor.__name__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def _health(in_hand: int = 0) -> Health:
    return Health(ray.get_runtime_context().get_node_id(), os.getpid(), in_hand)
