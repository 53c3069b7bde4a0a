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
from graders.panel import timed
from graders.registry import build_graders
from graders.types import Candidate, Grade
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines.config import EngineConfig
from workers.engines.pool import EnginePool
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


class ProducerActor:
    """Hosts one model, and a LocalProducer for each job that is open. Results leave in batches."""

    def __init__(
        self,
        model: str,
        models: Mapping[str, EngineConfig],
        graders: GradersConfig,
        placed: Sequence[Grader],
    ) -> None:
        self._model = model
        self._engines = EnginePool(models)
        self._backend = LocalBackend(self._engines, graders, {g.name: g for g in placed})
        self._producers: dict[str, LocalProducer] = {}
        self._open: dict[str, AsyncExitStack] = {}
        self._opening = asyncio.Lock()
        self._tasks: dict[int, asyncio.Task[Produced]] = {}
        self._done: list[tuple[int, Produced]] = []
        self._finished = asyncio.Event()

    async def health(self) -> Health:
        return _health(len(self._tasks))

    async def start(self) -> int:
        """Load the model; how many draws keep it busy. Raises EngineUnavailableError."""
        return (await self._engines.get(self._model)).concurrency

    async def open(self, key: str, job: Job) -> None:
        """Make ready for the draws of a job; does nothing the second time. Raises GraderError."""
        async with self._opening:
            if key not in self._producers:
                stack = AsyncExitStack()
                self._producers[key] = await stack.enter_async_context(self._backend.producer(job))
                self._open[key] = stack

    async def close(self, key: str) -> None:
        """Forget a job that has ended."""
        self._producers.pop(key, None)
        if stack := self._open.pop(key, None):
            await stack.aclose()

    async def submit(self, parcels: Sequence[Parcel]) -> None:
        """Begin with these draws; returns at once. Their jobs must be open."""
        for ticket, key, draw in parcels:
            task = asyncio.create_task(self._producers[key].produce(draw))
            self._tasks[ticket] = task
            task.add_done_callback(partial(self._finish, ticket, draw))

    async def cancel(self, tickets: Sequence[int]) -> None:
        """Drop these draws; they are not collected."""
        for ticket in tickets:
            if task := self._tasks.get(ticket):
                task.cancel()

    async def collect(self, wait_s: float) -> list[tuple[int, Produced]]:
        """All that finished since the last call, waiting for the first up to `wait_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._finished.wait()
        self._finished.clear()
        done, self._done = self._done, []
        return done

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


class GraderActor:
    """Hosts graders that ask no model. It may be restarted by Ray: `start` comes by itself."""

    def __init__(self, config: GradersConfig, names: Sequence[str]) -> None:
        self._graders = {grader.name: grader for grader in build_graders(config, names)}
        self._starting = asyncio.Lock()
        self._started = False

    async def health(self) -> Health:
        return _health()

    async def versions(self) -> dict[str, str]:
        """Each grader's version, once all have started. Raises GraderError."""
        await self._start()
        return {name: grader.version for name, grader in self._graders.items()}

    async def grade(self, name: str, candidates: Sequence[Candidate]) -> list[Grade]:
        """As the grader of this name."""
        await self._start()
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
