"""What the coordinator costs: candidates per second through the whole loop, and wasted draws.

    python -m benchmarks.coordinator

Generation and grading are the shipped fakes, at no latency, so that what is left is the loop:
planning, dispatch, gate, novelty, admission and the ledger on disk. The peer is the same fakes
called in a bare loop. The second part draws with the oversampler against one who knows the rate.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import time
from collections import deque
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from graders.gate import Gate
from graders.panel import Panel
from graders.scripted import ScriptedGrader
from graders.types import Candidate, Source
from workers.engines.config import ScriptedConfig
from workers.engines.scripted import ScriptedEngine
from workers.oversample import Oversampler
from workers.pipeline import IN_FLIGHT_PER_SLOT, RUNNING_PER_SLOT, run_batch, seed_of
from workers.producer import LocalProducer
from workers.recipes import SHIPPED
from workers.store import SqlStore
from workers.types import BatchSpec, Draw, Outcome

PASS_RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
COUNTS = (200, 1000, 5000)
SLOTS = (64, 256, 1024)
WINDOW = 64
WORDS = [f"w{n}" for n in range(100_000)]
RECIPE = SHIPPED["essay"]
SOURCES = tuple(
    Source(f"s{n}", f"Name: Thing {n}\nKind: river\nLength: {n + 100} km") for n in range(100)
)


def _producer(batch_id: str, pass_rate: float) -> LocalProducer:
    engine = ScriptedEngine(ScriptedConfig(concurrency=WINDOW, latency_s=0.0, malformed_rate=0.0))
    panel = Panel([ScriptedGrader(pass_rate)], Gate({}, ("scripted",)))
    return LocalProducer(engine, RECIPE, panel, batch_id)


async def _through_the_loop(url: str, count: int, pass_rate: float) -> dict[str, float]:
    """Candidates per second of `run_batch` into a database on disk, and CPU time of each."""
    spec = BatchSpec("essay", count, SOURCES, "scripted")
    gate = Gate({"novelty": 0.0}, ("scripted", "novelty"))
    with contextlib.closing(SqlStore(url)) as store:
        record, _ = store.create_batch(spec)
        producer = _producer(record.id, pass_rate)
        await producer.start()
        began, cpu = time.perf_counter(), time.process_time()
        result = await run_batch(record.id, spec, producer, store, gate=gate, novelty_text=_unlike)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        await producer.aclose()
    progress = result.progress
    made = progress.accepted + progress.rejected + progress.failed
    assert progress.accepted == count, result
    return {"candidates": made, "per_s": made / seconds, "cpu_ms": 1000 * cpu / made}


def _unlike(candidate: Candidate) -> str:
    """A text that is near no other: 60 words by the candidate's seed."""
    return " ".join(random.Random(candidate.seed).choices(WORDS, k=60))


async def _bare(count: int, pass_rate: float) -> dict[str, float]:
    """The same engine and grader with nothing around them."""
    producer = _producer("bare", pass_rate)
    await producer.start()
    began, cpu = time.perf_counter(), time.process_time()
    for seq in range(count):
        await producer.produce(Draw(seq, SOURCES[seq % len(SOURCES)], seed_of(0, seq)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"candidates": count, "per_s": count / seconds, "cpu_ms": 1000 * cpu / count}


def overdraw(count: int, pass_rate: float, slots: int, seed: int) -> float:
    """Draws of the oversampler over `count / pass_rate`, on an engine of so many slots."""
    rng = random.Random(seed)
    sampler = Oversampler(count, ["one"], IN_FLIGHT_PER_SLOT * slots)
    out: deque[bool] = deque()
    accepted = drawn = 0
    while accepted < count:
        for _ in sampler.plan(len(out), RUNNING_PER_SLOT * slots - len(out)):
            out.append(rng.random() < pass_rate)
            drawn += 1
        passed = out.popleft()
        accepted += passed
        sampler.observe(0, Outcome.ACCEPTED if passed else Outcome.REJECTED)
    return drawn / (count / pass_rate)


def _oversampling(repeats: int) -> list[dict[str, float]]:
    rows = []
    for count in COUNTS:
        for slots, rate in product(SLOTS, PASS_RATES):
            ratios = [overdraw(count, rate, slots, seed) for seed in range(repeats)]
            draws = statistics.fmean(ratios)
            rows.append({"count": count, "slots": slots, "pass_rate": rate, "draws": draws})
    return rows


def _table(loop: Sequence[dict[str, Any]], draws: Sequence[dict[str, float]]) -> str:
    lines = [
        "| pass rate | candidates | candidates/s | CPU-ms each | bare fakes, CPU-ms each |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['pass_rate']:.0%} | {row['loop']['candidates']:,} | {row['loop']['per_s']:,.0f} "
        f"| {row['loop']['cpu_ms']:.2f} | {row['bare']['cpu_ms']:.2f} |"
        for row in loop
    ]
    rates = " | ".join(f"{rate:.0%} pass" for rate in PASS_RATES)
    lines += ["", "Draws, of those of one who knows the pass rate:", ""]
    lines += [f"| samples | engine's slots | {rates} |", "|---" * (2 + len(PASS_RATES)) + "|"]
    for count, slots in product(COUNTS, SLOTS):
        found = [r["draws"] for r in draws if (r["count"], r["slots"]) == (count, slots)]
        cells = " | ".join(f"{ratio:.3f}" for ratio in found)
        lines.append(f"| {count:,} | {slots} | {cells} |")
    return "\n".join(lines) + "\n"


async def _loops(candidates: int) -> list[dict[str, Any]]:
    rows = []
    for rate in (0.5, 0.9):
        with TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/winnow.db"
            loop = await _through_the_loop(url, int(candidates * rate), rate)
        rows.append({"pass_rate": rate, "loop": loop, "bare": await _bare(candidates // 4, rate)})
    return rows


def main() -> None:
    """Measure, print, write json and md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=20_000, help="through the loop")
    parser.add_argument("--repeats", type=int, default=50, help="of each oversampling case")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    loop = asyncio.run(_loops(arguments.candidates))
    draws = _oversampling(arguments.repeats)
    table = _table(loop, draws)
    print(table)
    results = {"environment": describe_environment(), "loop": loop, "oversampling": draws}
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_result(arguments.out / "coordinator.json", results)
    (arguments.out / "coordinator.md").write_text(table)


if __name__ == "__main__":
    main()
