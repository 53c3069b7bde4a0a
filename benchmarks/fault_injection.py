"""Faults on a real cluster under load, and what must be true afterwards.

Each fault is thrown into a batch that runs on Ray actors; the tests throw each once, the
benchmark many times. As a program (a database URL, a batch, an address) it runs that batch, to be
killed from outside.
"""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray.cluster_utils import Cluster
from sqlalchemy import event

from graders.config import ConsistencyConfig, GradersConfig
from graders.types import Source
from workers.backends.config import RayConfig
from workers.backends.ray_backend import RayBackend
from workers.backends.ray_pool import RayPool
from workers.backends.ray_worker import RayWorker
from workers.compose import run_stored
from workers.engines.config import EngineConfig, ScriptedConfig
from workers.errors import EngineDiedError, StoreError
from workers.pipeline import seed_of
from workers.recipes import SHIPPED
from workers.store import SqlStore
from workers.types import BatchSpec, Outcome, Status

MODEL = "fake"
WORKERS = 2
LEASE_SECONDS = 2.0
AWAY_SECONDS = 10.0
PATIENCE = 240.0
POLL = 0.02
_RESOURCES: Callable[[], Mapping[str, float]] = ray.cluster_resources
_FREE: Callable[[], Mapping[str, float]] = ray.available_resources
GRADERS = GradersConfig(consistency=ConsistencyConfig(judge=False))
SOURCES = tuple(
    Source(f"s{n}", f"Name: Thing {n}\nKind: river\nLength: {n + 100} km\nBridges: {n + 3}")
    for n in range(200)
)


@contextlib.contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A cluster of two nodes on this machine. Each has a place for one engine of each kind."""
    # Ray's own way to end with the process takes signal handlers, which only the main thread may.
    cluster = Cluster(shutdown_at_exit=False)
    try:
        cluster.add_node(**a_node(), include_dashboard=False)
        cluster.add_node(**a_node())
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def a_node(**resources: float) -> dict[str, Any]:
    """The arguments of one more node; unless told, it has a place for one engine of each kind."""
    return {"num_cpus": 4, "resources": resources or {"engine": 1, "driven": 1}}


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a fault happens: a cluster, a backend on it, a store, and the batch that runs."""

    cluster: Cluster
    backend: RayBackend
    store: SqlStore
    url: str
    batch_id: str
    rng: random.Random

    def ledger(self) -> int:
        """How many candidates the ledger has."""
        progress = self.store.progress(self.batch_id)
        return progress.accepted + progress.rejected + progress.failed


def backend_on(address: str, slot: str = "engine", latency_s: float = 0.05) -> RayBackend:
    """Two engines and a grader; the engines go where `slot` is to be had."""
    models: dict[str, EngineConfig] = {
        MODEL: ScriptedConfig(latency_s=latency_s, concurrency=4, wrong_rate=0.2)
    }
    config = RayConfig(
        address=address,
        workers=WORKERS,
        num_cpus=0.5,
        resources={slot: 1},
        graders_on=("consistency",),
        grader_cpus=0.5,
        unresponsive_seconds=4.0,
    )
    return RayBackend(config, models, GRADERS)


async def run_to_the_end(backend: RayBackend, store: SqlStore, batch_id: str) -> None:
    """As a gateway does: what stops for want of the database is resumed."""
    while True:
        try:
            await run_stored(
                batch_id, store, backend, GRADERS, recipes=SHIPPED, lease_seconds=LEASE_SECONDS
            )
        except StoreError:
            await asyncio.sleep(0.2)
        else:
            return


async def endure(kind: str, scene: Scene, count: int) -> float:
    """Let the batch run, throw the fault in, check the end; seconds that recovery took."""
    at = scene.rng.randrange(count // 20 + 1, count // 2)
    if kind == "driver killed":
        seconds = await _kill_driver(scene, at)
    else:
        run = asyncio.create_task(run_to_the_end(scene.backend, scene.store, scene.batch_id))
        await _until(lambda: scene.ledger() >= at or run.done(), "the batch gets on")
        seconds = await FAULTS[kind](scene)
        async with asyncio.timeout(PATIENCE):
            await run
    check(scene.store, scene.batch_id, count)
    return seconds


def new_batch(store: SqlStore, count: int, seed: int) -> str:
    """A batch whose samples may be alike: only faults are at issue."""
    spec = BatchSpec("essay", count, SOURCES, MODEL, seed=seed, thresholds={"novelty": 0.0})
    return store.create_batch(spec)[0].id


def check(store: SqlStore, batch_id: str, count: int) -> None:
    """Exactly N samples, none twice, every candidate in the ledger once and counted."""
    record = store.get_batch(batch_id)
    assert record.status is Status.COMPLETED, record
    samples, rejects = store.samples(batch_id, -1, 10**6), store.rejects(batch_id, -1, 10**6)
    rows = sorted([*samples, *rejects], key=lambda row: row.seq)
    progress = record.progress
    assert len(samples) == progress.accepted == count, (len(samples), progress)
    assert [row.seq for row in rows] == list(range(len(rows))), "a gap, or a row twice"
    assert progress.accepted + progress.rejected + progress.failed == len(rows), progress
    failed = [row.error for row in rows if row.outcome is Outcome.FAILED]
    assert len(failed) == progress.failed and all(failed), failed
    for row in samples:
        assert row.candidate and row.candidate.seed == seed_of(record.spec.seed, row.seq)


async def nothing_left(pids: set[int], resources: Sequence[str] = ("engine", "driven")) -> None:
    """Wait until no such process lives and nobody holds these resources of the cluster."""
    await _until(lambda: not any(map(_alive, pids)), f"actors {pids} end")
    await _until(lambda: _free(resources), f"{resources} are free")


async def pids_of(backend: RayBackend) -> set[int]:
    """The processes of a backend's actors."""
    pool = await backend.pool(MODEL)
    engines = {worker.health.pid for worker in pool.workers if worker.health}
    return engines | {health.pid for health in await backend.placed.health()}


async def _kill_engine(scene: Scene) -> float:
    return await _signal_engine(scene, signal.SIGKILL)


async def _hang_engine(scene: Scene) -> float:
    """A stopped process answers nobody, and keeps its connections."""
    return await _signal_engine(scene, signal.SIGSTOP)


async def _end_engine(scene: Scene) -> float:
    """The model's process dies and the actor's lives on, as with vLLM: every request fails."""

    async def generate(*_: object) -> None:
        raise EngineDiedError("the benchmark ended this engine")

    def let_die(actor: Any) -> None:  # runs in the actor, which need not import this module
        actor._engines._engines[MODEL]._engine.generate = generate

    pool = await scene.backend.pool(MODEL)
    await _until(lambda: len(pool.workers) == WORKERS, "all engines are up")
    victim = scene.rng.choice(pool.workers)
    await victim.actor.__ray_call__.remote(let_die)
    return await _replacement(pool, victim)


async def _signal_engine(scene: Scene, how: signal.Signals) -> float:
    pool = await scene.backend.pool(MODEL)
    await _until(lambda: len(pool.workers) == WORKERS, "all engines are up")
    victim = scene.rng.choice(pool.workers)
    assert victim.health is not None
    os.kill(victim.health.pid, how)
    return await _replacement(pool, victim)


async def _replacement(pool: RayPool, victim: RayWorker) -> float:
    """Seconds until another is up in its place; its process must be gone then."""
    began = time.monotonic()
    await _until(
        lambda: victim not in pool.workers and len(pool.workers) == WORKERS, "it is replaced"
    )
    seconds = time.monotonic() - began
    await _until(lambda: victim.health is None or not _alive(victim.health.pid), "it is gone")
    return seconds


async def _kill_grader(scene: Scene) -> float:
    [health] = await scene.backend.placed.health()
    os.kill(health.pid, signal.SIGKILL)
    began = time.monotonic()
    while True:
        with contextlib.suppress(ray.exceptions.RayError):
            [now] = await scene.backend.placed.health()
            if now.pid != health.pid:
                return time.monotonic() - began
        assert time.monotonic() < began + PATIENCE, "the grader does not come back"
        await asyncio.sleep(POLL)


async def _kill_node(scene: Scene) -> float:
    """The node that has no driver dies at once, and another takes its place."""
    pool = await scene.backend.pool(MODEL)
    await _until(lambda: len(pool.workers) == WORKERS, "all engines are up")
    [node] = scene.cluster.worker_nodes
    gone = [w for w in pool.workers if w.health and w.health.node == node.node_id]
    await asyncio.to_thread(scene.cluster.remove_node, node, allow_graceful=False)
    began = time.monotonic()
    await asyncio.to_thread(scene.cluster.add_node, **a_node())
    await _until(
        lambda: not set(gone) & set(pool.workers) and len(pool.workers) == WORKERS,
        "its engine is replaced",
    )
    return time.monotonic() - began


async def _lose_database(scene: Scene) -> float:
    """Nobody else may write for ten seconds; from then on the ledger must grow again."""
    path = scene.url.removeprefix("sqlite:///")
    with contextlib.closing(
        sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
    ) as other:
        await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
        await asyncio.sleep(AWAY_SECONDS)
        other.execute("ROLLBACK")
    return await _ledger_grows(scene)


async def _fill_disk(scene: Scene) -> float:
    """The database can't grow for a second; from then on the ledger must."""
    engine = scene.store._database._engine

    def full(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1").close()

    event.listen(engine, "connect", full)
    engine.dispose()
    await asyncio.sleep(1.0)
    event.remove(engine, "connect", full)
    engine.dispose()
    return await _ledger_grows(scene)


async def _kill_driver(scene: Scene, at: int) -> float:
    """Run the batch in a process of its own, kill that, and run it in another."""
    command = [sys.executable, "-m", "benchmarks.fault_injection"]
    command += [scene.url, scene.batch_id, scene.cluster.address]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as first:
        await _until(lambda: scene.ledger() >= at, "the first driver gets on")
        first.kill()
    began, had = time.monotonic(), scene.ledger()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as second:
        await _until(lambda: scene.ledger() > had, "the second driver gets on")
        seconds = time.monotonic() - began
        await asyncio.to_thread(second.wait, PATIENCE)
    return seconds


async def _ledger_grows(scene: Scene) -> float:
    began, had = time.monotonic(), scene.ledger()
    await _until(
        lambda: scene.ledger() > had or scene.store.get_batch(scene.batch_id).status
        is Status.COMPLETED,
        "the ledger grows",
    )  # fmt: skip
    return time.monotonic() - began


async def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline, f"waited too long until {what}"
        await asyncio.sleep(POLL)


def _free(resources: Sequence[str]) -> bool:
    has, free = _RESOURCES(), _FREE()
    return all(free.get(name, 0) == has.get(name, 0) for name in resources)


def _alive(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


FAULTS: Final[Mapping[str, Callable[[Scene], Awaitable[float]]]] = {
    "engine killed": _kill_engine,
    "engine hung": _hang_engine,
    "engine died, its actor lives": _end_engine,
    "grader killed": _kill_grader,
    "node killed": _kill_node,
    "disk full": _fill_disk,
    "database away for 10 s": _lose_database,
}
KINDS = (*FAULTS, "driver killed")


async def _drive(url: str, batch_id: str, address: str) -> None:
    backend = backend_on(address, "driven")
    with contextlib.closing(SqlStore(url)) as store:
        try:
            await run_to_the_end(backend, store, batch_id)
        finally:
            await backend.aclose()


if __name__ == "__main__":
    asyncio.run(_drive(*sys.argv[1:]))
