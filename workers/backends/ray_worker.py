"""One actor's life as the driver sees it: brought up, given draws, collected from, lost."""

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workers.backends.base import Job
from workers.backends.ray_actors import Health, end_process
from workers.backends.ray_cluster import cause
from workers.errors import EngineUnavailableError, WorkerError
from workers.types import Draw, Produced

LOAD_SECONDS = 3600.0
"""Longest load of a model; it may have to be downloaded."""
COLLECT_SECONDS = 2.0
_tickets = itertools.count()


@dataclass(eq=False, slots=True)
class Order:
    """One draw to be produced. `ticket` is new for each actor that gets it."""

    key: str
    job: Job
    draw: Draw
    result: "asyncio.Future[Produced]"
    ticket: int = -1
    losses: int = 0


@dataclass(slots=True)
class Outbox:
    """What is to be told to an actor next."""

    orders: list[Order] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


class RayWorker:
    """One actor, from its start to its death; it is not restarted but replaced."""

    def __init__(self, actor: Any, unresponsive_seconds: float) -> None:
        self.actor = actor
        self.concurrency = 0
        self.health: Health | None = None
        self._patience = unresponsive_seconds
        self._in_hand: dict[int, Order] = {}
        self._outbox = Outbox()
        self._open: dict[str, asyncio.Future[None]] = {}
        self._news = asyncio.Event()

    @property
    def load(self) -> int:
        """Draws that it has been given and that have not come back."""
        return len(self._in_hand) + len(self._outbox.orders)

    async def bring_up(self) -> None:
        """Wait until the cluster has room for the actor, then until it has loaded its model.

        Raises EngineUnavailableError when the model can't be loaded, RayError, TimeoutError.
        """
        self.health = await self.actor.health.remote()
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                self.concurrency = await self.actor.start.remote()
        except WorkerError as exc:
            raise EngineUnavailableError(str(cause(exc))) from exc

    async def serve(self) -> None:
        """Pass draws on and results back, until the actor is lost: then it raises why."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell())
                tasks.create_task(self._collect())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    def give(self, order: Order) -> None:
        """Have this draw produced there."""
        order.ticket = next(_tickets)
        self._outbox.orders.append(order)
        self._news.set()

    def drop(self, order: Order) -> bool:
        """Take a draw back, whose result nobody wants any more; whether it was here."""
        if order in self._outbox.orders:
            self._outbox.orders.remove(order)
            return True
        if self._in_hand.pop(order.ticket, None) is None:
            return False
        self._outbox.cancelled.append(order.ticket)
        self._news.set()
        return True

    async def open(self, key: str, job: Job) -> None:
        """Make the actor ready for a job, once. Raises WorkerError and GraderError, RayError."""
        if key not in self._open:
            self._open[key] = asyncio.ensure_future(self._open_there(key, job))
        await asyncio.shield(self._open[key])

    def close(self, key: str) -> None:
        """Have the actor forget a job."""
        if self._open.pop(key, None):
            self._outbox.closed.append(key)
            self._news.set()

    def kill(self) -> None:
        """End the actor, and its process even if that is stopped: it would keep its GPU."""
        ray.kill(self.actor)
        if self.health is not None:
            on_its_node = NodeAffinitySchedulingStrategy(self.health.node, soft=False)
            end = ray.remote(end_process).options(num_cpus=0, scheduling_strategy=on_its_node)
            end.remote(self.health.pid)

    def lost(self) -> tuple[list[Order], list[Order]]:
        """The draws that were in the actor's hands, and those that never reached it."""
        for opening in self._open.values():
            opening.cancel()
        reached, waiting = list(self._in_hand.values()), self._outbox.orders
        self._in_hand, self._outbox = {}, Outbox()
        return reached, waiting

    async def _open_there(self, key: str, job: Job) -> None:
        async with asyncio.timeout(LOAD_SECONDS):
            await self.actor.open.remote(key, job)

    async def _tell(self) -> None:
        """Tell the actor in batches; while one call is out, the next batch gathers."""
        while True:
            await self._news.wait()
            self._news.clear()
            for key, job in {order.key: order.job for order in self._outbox.orders}.items():
                await self.open(key, job)
            news, self._outbox = self._outbox, Outbox()
            late = [order for order in news.orders if order.key not in self._open]
            self._outbox.orders += late
            orders = [order for order in news.orders if order.key in self._open]
            self._in_hand |= {order.ticket: order for order in orders}
            async with asyncio.timeout(self._patience):
                if orders:
                    await self.actor.submit.remote([(o.ticket, o.key, o.draw) for o in orders])
                if news.cancelled:
                    await self.actor.cancel.remote(news.cancelled)
                for key in news.closed:
                    await self.actor.close.remote(key)

    async def _collect(self) -> None:
        """Ask for results again and again. TimeoutError when the actor does not answer."""
        while True:
            async with asyncio.timeout(COLLECT_SECONDS + self._patience):
                done = await self.actor.collect.remote(COLLECT_SECONDS)
            self._settle(done)

    def _settle(self, done: Iterable[tuple[int, Produced]]) -> None:
        for ticket, produced in done:
            order = self._in_hand.pop(ticket, None)
            if order is not None and not order.result.done():
                order.result.set_result(produced)
