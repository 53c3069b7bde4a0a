"""Every kind of fault, many times, at random points of a batch under load: how long to recover?

    python -m benchmarks.faults [--times 10] [--seed 0]

Starts a Ray cluster of two nodes on this machine, runs batches on two engines and a grader of its
own, and throws a fault into each batch; a killed node is replaced at once. After each batch the
ledger is checked: exactly N samples, none twice, no gap. In the end no actor may be left. An
engine or a node has recovered when as many engines are up as before, a grader when it answers, a
database or a driver when the ledger grows again.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.fault_injection import (
    KINDS,
    Scene,
    backend_on,
    endure,
    new_batch,
    nothing_left,
    pids_of,
    two_nodes,
)
from workers.backends.ray_cluster import connect_to
from workers.store import SqlStore


async def _throw(cluster: Any, kinds: Sequence[str], times: int, count: int, seed: int) -> Any:
    """Seconds to recover, of each kind; raises AssertionError when anything is wrong."""
    backend = backend_on(cluster.address)
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/winnow.db"
        with contextlib.closing(SqlStore(url)) as store:
            for number in range(times):
                for kind in kinds:
                    rng = random.Random(f"{seed}|{kind}|{number}")
                    batch_id = new_batch(store, count, rng.randrange(2**31))
                    scene = Scene(cluster, backend, store, url, batch_id, rng)
                    seconds[kind].append(await endure(kind, scene, count))
                    print(f"{kind}: {seconds[kind][-1]:.2f} s", flush=True)
            pids = await pids_of(backend)
            await backend.aclose()
            await asyncio.to_thread(connect_to, cluster.address)  # closing ended the connection
            await nothing_left(pids)
    return seconds


def _row(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "times": len(ordered),
        "median_s": statistics.median(ordered),
        "p90_s": ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))],
        "most_s": ordered[-1],
    }


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    lines = [
        "| fault | times | exactly N, none twice | seconds to recover: median | 90% | most |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {kind} | {row['times']} | {row['times']} of {row['times']} | {row['median_s']:.1f} "
        f"| {row['p90_s']:.1f} | {row['most_s']:.1f} |"
        for kind, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Throw, print, write json and md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="how often each kind is thrown")
    parser.add_argument("--count", type=int, default=300, help="samples of each batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    with two_nodes() as cluster:
        seconds = asyncio.run(_throw(cluster, given.kinds, given.times, given.count, given.seed))
    rows = {kind: _row(each) for kind, each in seconds.items()}
    print(_table(rows))
    results = {
        "environment": describe_environment(),
        "count": given.count,
        "seed": given.seed,
        "recovery": rows,
        "seconds": seconds,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    write_result(given.out / "faults.json", results)
    (given.out / "faults.md").write_text(_table(rows))


if __name__ == "__main__":
    main()
