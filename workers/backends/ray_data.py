"""The pass over a dataset on a cluster: Ray Data reads chunks, actors judge and write them.

Each actor hosts a PassWorker. What travels back is counts: the rows are written where they were
judged, under names that a second try repeats. The output folder must be seen by every node.
Recipes travel with the job; their files are read where it was started. Ray Data has no time limit
for a chunk, so an actor that hangs ends itself, and is replaced as one that died.
"""

import asyncio
import faulthandler
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from threading import Thread
from typing import Any

import numpy as np
import ray.data
from ray.exceptions import RayError

from graders.errors import GraderError
from workers.backends.config import RayConfig
from workers.backends.ray_cluster import RayCluster, cause
from workers.errors import EngineUnavailableError, WorkerError
from workers.inputs import Piece
from workers.output_folder import Counts
from workers.plain_pass import CHUNKS_AT_ONCE, PassConfig, PassWorker, read_chunks, recipes_of
from workers.recipes import Recipe

Columns = Mapping[str, Any]
READERS = 4


async def run_pass(
    config: PassConfig,
    pieces: Sequence[Piece],
    finished: AbstractSet[str],
    on_counts: Callable[[Counts], None],
) -> None:
    """Judge everything that is not finished, on the cluster of `config.backend`.

    A worker or node that dies, or whose event loop hangs, is replaced, and its chunks are judged
    again. Raises EngineUnavailableError when no cluster answers, RecipeError, and as `PassWorker`
    does.
    """
    assert isinstance(config.backend, RayConfig), "the caller chose this backend"
    cluster = RayCluster(config.backend.address)
    await cluster.connect()
    try:
        rows = iter(_dataset(config, config.backend, pieces, finished).iter_rows())
        while row := await asyncio.to_thread(next, rows, None):
            on_counts(Counts(**{name: int(count) for name, count in row.items()}))
    except RayError as exc:
        raised = _ours(exc)
        raise raised if raised else EngineUnavailableError(f"Ray gave up: {exc}") from exc
    finally:
        await cluster.aclose()


def _dataset(
    config: PassConfig, backend: RayConfig, pieces: Sequence[Piece], finished: AbstractSet[str]
) -> Any:
    """Rows of counts, one for each chunk, made as they are asked for."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # one chunk to a block: chunks are what is dealt out
    actors = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=backend.workers,
        max_concurrent_calls_per_actor=CHUNKS_AT_ONCE,
        max_tasks_in_flight_per_actor=2 * CHUNKS_AT_ONCE,
        enable_true_multi_threading=True,
    )
    numbers = ray.data.range(len(pieces), override_num_blocks=len(pieces))
    read = numbers.map_batches(
        _Reader(tuple(pieces), config.rows_per_part, frozenset(finished)),
        batch_size=1,
        batch_format="numpy",
        num_cpus=0,  # other than the actors': alike, Ray would fuse the two, and one actor do all
        concurrency=READERS,
    )
    return read.map_batches(
        _ChunkActor,
        fn_constructor_args=(config, recipes_of(config), backend.unresponsive_seconds),
        compute=actors,
        batch_size=1,
        batch_format="numpy",
        num_cpus=backend.num_cpus,
        num_gpus=backend.num_gpus or None,
        resources=dict(backend.resources) or None,
    )


class _Reader:
    """Reads the pieces of these numbers, chunk by chunk, each pickled into one cell."""

    def __init__(self, pieces: tuple[Piece, ...], size: int, finished: frozenset[str]) -> None:
        self._pieces, self._size, self._finished = pieces, size, finished

    def __call__(self, numbers: Columns) -> Iterator[Columns]:
        for number in numbers["id"]:
            for chunk in read_chunks(self._pieces[number], self._size, self._finished):
                yield {"chunk": np.array([pickle.dumps(chunk)], dtype=object)}


class _ChunkActor:
    """A PassWorker on an event loop of its own, so that calls may overlap."""

    def __init__(self, config: PassConfig, recipes: Mapping[str, Recipe], patience: float) -> None:
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, daemon=True).start()
        self._worker = PassWorker(config, recipes)
        self._wait_for(self._worker.start())
        self._loop.call_soon_threadsafe(self._still_turning, patience)

    def __call__(self, chunks: Columns) -> Columns:
        done = [
            asdict(self._wait_for(self._worker.process(pickle.loads(chunk))))
            for chunk in chunks["chunk"]
        ]
        return {name: np.array([counts[name] for counts in done]) for name in asdict(Counts())}

    def _still_turning(self, patience: float) -> None:
        """End the process, with its stacks on stderr, unless the loop is back here in `patience`
        seconds. The clock is a thread of faulthandler's, which needs no GIL.
        """
        faulthandler.dump_traceback_later(patience, exit=True)
        self._loop.call_later(patience / 4, self._still_turning, patience)

    def _wait_for(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _ours(error: BaseException) -> Exception | None:
    """The error of our own trees that an actor or a reader raised, if it was one."""
    seen: BaseException | None = error
    while seen is not None:
        found = cause(seen)
        if isinstance(found, WorkerError | GraderError):
            return found
        seen = seen.__cause__ if found is seen else found
    return None
