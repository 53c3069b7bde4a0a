"""One actor's life as the driver sees it: brought up, given draws, collected from, lost."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workers.backends.base import Job
from workers.backends.ray_actors import Health, end_process
from workers.backends.ray_cluster import cause
from workers.errors import EngineUnavailableError, WorkerError
from workers.types import Draw, Produced

LOAD_SECONDS = 3600.0
"""Longest load of a model; it may have to be downloaded."""
COLLECT_SECONDS = 2.0
MOST_FAILURES = 3
"""So many draws that fail in a row make an actor suspect."""
FIRST_REST, LONGEST_REST = 0.5, 30.0
"""Seconds that it then gets nothing, doubled by each failure after such a rest."""
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


HandBack = Callable[[Sequence[Order]], None]


class RayWorker:
    """One actor, from its start to its death; it is not restarted but replaced.

    `refused` holds the jobs that can't be opened there, and why; the draws of such a job are
    given back through `hand_back`, and the actor works on for the others. `delivered` says
    whether any result ever came from it.
    """

    def __init__(self, actor: Any, unresponsive_seconds: float, hand_back: HandBack) -> None:
        self.actor = actor
        self.concurrency = 0
        self.health: Health | None = None
        self.refused: dict[str, BaseException] = {}
        self.delivered = False
        self._failures = 0
        self._rests_until = 0.0
        self._patience = unresponsive_seconds
        self._hand_back = hand_back
        self._in_hand: dict[int, Order] = {}
        self._outbox = Outbox()
        self._unopened: dict[str, list[Order]] = {}
        self._open: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._broken: BaseException | None = None

    @property
    def load(self) -> int:
        """Draws that it has been given and that have not come back."""
        unopened = sum(map(len, self._unopened.values()))
        return len(self._in_hand) + len(self._outbox.orders) + unopened

    @property
    def suspect(self) -> bool:
        """Whether its engine failed every draw of late."""
        return self._failures >= MOST_FAILURES

    @property
    def trusted(self) -> bool:
        """Whether it should get a draw where others could have it.

        An actor whose engine fails at once, for want of its endpoint say, is always the least
        loaded, and would swallow the batch. After a rest it is tried with one draw.
        """
        if not self.suspect:
            return True
        return not self.load and asyncio.get_running_loop().time() >= self._rests_until

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
        """Have this draw produced there, when its job is open."""
        order.ticket = next(_tickets)
        self._unopened.setdefault(order.key, []).append(order)
        opening = self._opening(order.key, order.job)
        if opening.done():
            self._opened(order.key, opening)

    def drop(self, order: Order) -> bool:
        """Take a draw back, whose result nobody wants any more; whether it was here."""
        for unsent in (self._outbox.orders, self._unopened.get(order.key, [])):
            if order in unsent:
                unsent.remove(order)
                return True
        if self._in_hand.pop(order.ticket, None) is None:
            return False
        self._outbox.cancelled.append(order.ticket)
        self._news.set()
        return True

    async def open(self, key: str, job: Job) -> None:
        """Make the actor ready for a job, once. Raises WorkerError and GraderError, RayError."""
        await asyncio.shield(self._opening(key, job))

    def close(self, key: str) -> list[Order]:
        """Have the actor forget a job; what had not been sent yet of it."""
        self.refused.pop(key, None)
        unsent = self._unopened.pop(key, [])
        unsent += [order for order in self._outbox.orders if order.key == key]
        self._outbox.orders = [order for order in self._outbox.orders if order.key != key]
        if opening := self._open.pop(key, None):
            opening.cancel()
            self._outbox.closed.append(key)
            self._news.set()
        return unsent

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
        reached = list(self._in_hand.values())
        waiting = [*self._outbox.orders, *itertools.chain(*self._unopened.values())]
        self._in_hand, self._outbox, self._unopened = {}, Outbox(), {}
        return reached, waiting

    def _opening(self, key: str, job: Job) -> "asyncio.Task[None]":
        if key not in self._open:
            self._open[key] = asyncio.create_task(self._open_there(key, job))
            self._open[key].add_done_callback(lambda opening: self._opened(key, opening))
        return self._open[key]

    async def _open_there(self, key: str, job: Job) -> None:
        async with asyncio.timeout(LOAD_SECONDS):
            await self.actor.open.remote(key, job)

    def _opened(self, key: str, opening: "asyncio.Task[None]") -> None:
        """An actor that is gone breaks the worker; any other failure concerns this job only."""
        if opening.cancelled() or self._open.get(key) is not opening:
            return
        exc = opening.exception()
        if isinstance(exc, RayError) and not isinstance(exc, RayTaskError):
            self._broken = exc
            self._news.set()
            return
        if exc is not None:
            self.refused[key] = cause(exc)
        self._send_opened(key)

    def _send_opened(self, key: str) -> None:
        orders = self._unopened.pop(key, [])
        if key in self.refused:
            self._hand_back(orders)
        elif not self._broken:
            self._outbox.orders += orders
            self._news.set()
        else:
            self._unopened[key] = orders

    async def _tell(self) -> None:
        """Tell the actor in batches; while one call is out, the next batch gathers."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._broken:
                raise self._broken
            news, self._outbox = self._outbox, Outbox()
            orders = news.orders
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
            self.delivered = True
            self._note(produced)
            order = self._in_hand.pop(ticket, None)
            if order is not None and not order.result.done():
                order.result.set_result(produced)

    def _note(self, produced: Produced) -> None:
        if not (produced.error or "").startswith("engine_"):
            self._failures = 0
            return
        now = asyncio.get_running_loop().time()
        if self.suspect and now < self._rests_until:
            return  # a draw of before the rest tells nothing new
        self._failures += 1
        rest = FIRST_REST * 2.0 ** min(self._failures - MOST_FAILURES, 16)
        self._rests_until = now + min(rest, LONGEST_REST)
