"""The driver's side of a pool of actors: who gets which draw, and what a lost actor means.

Everything given to the pool comes back exactly once: as a result or as a named failure.
"""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import uuid4

from ray.exceptions import RayError

from graders.errors import GraderError
from workers.backends.base import Job
from workers.backends.config import RayConfig
from workers.backends.ray_cluster import cause
from workers.backends.ray_worker import Order, RayWorker
from workers.errors import EngineUnavailableError, WorkerError
from workers.types import Draw, Produced

logger = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
CLOSED = "the workers were shut down"
LOSSES = (RayError, WorkerError, TimeoutError)
"""What an actor can be lost to; anything else is an error of this code, or of the configuration."""


class RayPool:
    """Keeps `config.workers` actors of one model running, each replaced when it is lost.

    An actor whose engine dies is lost; one whose engine fails every draw gets few of them while
    others do better. One that a job can't be opened on works on for the others.
    An actor for which the cluster has no room stays pending, which is what Ray's autoscaler goes
    by; it joins when there is room. `create` makes a new actor.
    """

    def __init__(self, create: Callable[[], Any], config: RayConfig) -> None:
        self._create = create
        self._config = config
        self._live: list[RayWorker] = []
        self._homeless: deque[Order] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._up: asyncio.Future[None] | None = None
        self._was_up = False
        self._failed_starts = 0
        self._coming: set[RayWorker] = set()
        self._jobs: set[str] = set()
        self._waiting = 0
        self._used_at = time.monotonic()
        self.replaced = 0
        self.closed = False

    @property
    def concurrency(self) -> int:
        """How many draws keep the actors that are up busy; suspect ones count if all are."""
        able = [worker for worker in self._live if not worker.suspect]
        return sum(worker.concurrency for worker in able or self._live)

    @property
    def workers(self) -> tuple[RayWorker, ...]:
        """The actors that are up."""
        return tuple(self._live)

    @property
    def lacks_room(self) -> bool:
        """Whether all that it has are actors that the cluster has not placed yet."""
        placed = any(worker.health is not None for worker in self._coming)
        return bool(self._coming) and not placed and not self._live

    @property
    def idle_seconds(self) -> float:
        """How long nobody has used it, or waited for it."""
        return 0.0 if self._jobs or self._waiting else time.monotonic() - self._used_at

    async def start(self) -> None:
        """Wait until an actor is up.

        Raises EngineUnavailableError; then a pool of which no actor ever was up is closed.
        """
        self._used_at = time.monotonic()
        if self.closed:
            raise EngineUnavailableError(CLOSED)
        if not self._keepers:
            self._keepers = [
                asyncio.create_task(self._keep(), name=f"ray worker {number}")
                for number in range(self._config.workers)
            ]
        if self._live:
            return
        if self._up is None or self._up.done():
            self._up = asyncio.get_running_loop().create_future()
            self._up.add_done_callback(asyncio.Future.exception)  # whoever waited may be gone
        self._waiting += 1
        try:
            await asyncio.shield(self._up)
        except EngineUnavailableError:
            if not self._was_up:
                await self.aclose()
            raise
        finally:
            self._waiting -= 1
            self._used_at = time.monotonic()

    async def open(self, key: str, job: Job) -> None:
        """Make one actor ready for a job, so that what stands in its way is known at once.

        Raises WorkerError and GraderError, as they were raised there; EngineUnavailableError
        when no actor could be asked.
        """
        self._jobs.add(key)
        error: BaseException = IndexError("no worker is up")
        for _ in range(self._config.max_attempts):
            try:
                await self._least_loaded(self._live).open(key, job)
                return
            except (WorkerError, GraderError) as exc:
                raise cause(exc) from exc
            except (RayError, TimeoutError, IndexError) as exc:
                error = cause(exc)
                logger.warning("no worker could open %s: %s", job.batch_id, _said(error))
                await asyncio.sleep(FIRST_PAUSE)
        raise EngineUnavailableError(
            f"no worker could open {job.batch_id}: {_said(error)}"
        ) from error

    def close(self, key: str) -> None:
        """Have every actor forget a job."""
        self._jobs.discard(key)
        self._used_at = time.monotonic()
        for worker in self._live:
            for order in worker.close(key):
                _fail(order, "the job was closed")

    async def run(self, key: str, job: Job, draw: Draw) -> Produced:
        """Produce one draw on the actor with the least to do; cancelling cancels it there."""
        result: asyncio.Future[Produced] = asyncio.get_running_loop().create_future()
        order = Order(key, job, draw, result)
        self._place(order)
        try:
            return await result
        except asyncio.CancelledError:
            if order in self._homeless:
                self._homeless.remove(order)
            any(worker.drop(order) for worker in self._live)
            raise

    async def aclose(self) -> None:
        """Kill every actor, pending ones too."""
        self.closed = True
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        if keepers:
            await asyncio.wait(keepers)
        if self._up and not self._up.done():
            self._up.set_exception(EngineUnavailableError(CLOSED))
        while self._homeless:
            _fail(self._homeless.popleft(), CLOSED)

    async def _keep(self) -> None:
        """Have one actor at all times: when it is lost, its draws go on and another is made."""
        pause = FIRST_PAUSE
        while True:
            worker = None
            try:
                worker = RayWorker(
                    self._create(), self._config.unresponsive_seconds, self._place_all
                )
                self._coming.add(worker)
                await worker.bring_up()
                self._join(worker)
                await worker.serve()
            except asyncio.CancelledError:
                self._shut(worker)
                raise
            except Exception as exc:
                if not isinstance(exc, LOSSES):
                    logger.exception("a worker is lost to an unexpected error")
                self._leave(worker, exc)
            finally:
                if worker is not None:
                    self._coming.discard(worker)
                    worker.kill()
            pause = FIRST_PAUSE if worker and worker.delivered else pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _join(self, worker: RayWorker) -> None:
        logger.info("a worker is up: %s", worker.health)
        self._failed_starts = 0
        self._was_up = True
        self._live.append(worker)
        if self._up and not self._up.done():
            self._up.set_result(None)
        while self._homeless:
            worker.give(self._homeless.popleft())

    def _leave(self, worker: RayWorker | None, exc: Exception) -> None:
        reason = _said(cause(exc))
        if worker is None or worker not in self._live:
            self._failed_start(exc, reason)
            return
        logger.warning("a worker is lost and replaced: %s: %s", worker.health, reason)
        self.replaced += 1
        self._live.remove(worker)
        reached, waiting = worker.lost()
        for order in reached:
            order.losses += 1
            if order.losses >= self._config.max_attempts:
                _fail(order, f"lost with {order.losses} workers, the last by {reason}")
            else:
                waiting.append(order)
        self._place_all(waiting)

    def _shut(self, worker: RayWorker | None) -> None:
        """The pool is closed, so nobody takes its draws over."""
        if worker is None:
            return
        if worker in self._live:
            self._live.remove(worker)
        for order in itertools.chain(*worker.lost()):
            _fail(order, CLOSED)

    def _failed_start(self, exc: Exception, reason: str) -> None:
        """A model that can't be loaded is told at once; an actor that died loading is not."""
        logger.warning("a worker did not come up: %s", reason)
        self._failed_starts += 1
        mortal = isinstance(exc, RayError | TimeoutError) and not isinstance(exc, WorkerError)
        tries = self._config.max_attempts * self._config.workers
        if self._live or (mortal and self._failed_starts < tries):
            return
        if self._up and not self._up.done():
            said = str(cause(exc)) if isinstance(exc, WorkerError) else reason
            prefix = "" if isinstance(exc, WorkerError) else "no worker came up: "
            self._up.set_exception(EngineUnavailableError(prefix + said))
        while self._homeless:
            _fail(self._homeless.popleft(), f"no worker came up: {reason}")

    def _place(self, order: Order) -> None:
        if order.result.done():
            return
        willing = [worker for worker in self._live if order.key not in worker.refused]
        if self.closed:
            _fail(order, CLOSED)
        elif willing:
            trusted = [worker for worker in willing if worker.trusted]
            self._least_loaded(trusted or willing).give(order)
        elif self._live:
            _refuse(order, self._live[0].refused[order.key])
        else:
            self._homeless.append(order)

    def _place_all(self, orders: Iterable[Order]) -> None:
        for order in orders:
            self._place(order)

    def _least_loaded(self, workers: Sequence[RayWorker]) -> RayWorker:
        if not workers:
            raise IndexError("no worker is up")
        return min(workers, key=lambda worker: worker.load / max(1, worker.concurrency))


class RayProducer:
    """See workers.producer.Producer: one job's producer over a pool that other jobs share."""

    def __init__(self, pool: RayPool, job: Job) -> None:
        self._pool = pool
        self._job = job
        self._key = uuid4().hex

    @property
    def concurrency(self) -> int:
        return max(1, self._pool.concurrency)

    async def start(self) -> None:
        """Wait for the first actor and open the job there. Raises WorkerError and GraderError."""
        await self._pool.start()
        await self._pool.open(self._key, self._job)

    async def produce(self, draw: Draw) -> Produced:
        return await self._pool.run(self._key, self._job, draw)

    async def aclose(self) -> None:
        self._pool.close(self._key)


def _said(exc: BaseException) -> str:
    """The error in one line."""
    return f"{type(exc).__name__}: {exc}".strip().partition("\n")[0]


def _refuse(order: Order, exc: BaseException) -> None:
    code = "grader_error" if isinstance(exc, GraderError) else "engine_error"
    _fail(order, f"no worker could open the job: {_said(exc)}", code)


def _fail(order: Order, reason: str, code: str = "engine_error") -> None:
    if not order.result.done():
        order.result.set_result(Produced(order.draw, error=f"{code}: {reason}"))
