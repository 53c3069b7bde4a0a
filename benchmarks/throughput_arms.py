"""One side of the throughput benchmark: holds a model and writes the same texts when told to.

A process of its own, started by benchmarks.throughput, so that the bare engine and Winnow's are
loaded at the same time and can take turns. Reads the name of an arm a line, answers with JSON: what
was measured, or why nothing can be.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import Protocol, TextIO

from benchmarks.throughput_bare import Transformers, Vllm
from benchmarks.throughput_coin import COIN
from benchmarks.throughput_work import (
    ABORTS,
    BARE,
    ENGINE,
    FAILED,
    OFF,
    ON,
    WARM_UP,
    Measured,
    Work,
    said,
)
from graders.config import ConsistencyConfig, GradersConfig
from graders.errors import GraderError
from graders.gate import Gate
from graders.registry import NOVELTY, build_gate
from graders.types import Candidate
from workers.backends.base import Backend, Job
from workers.backends.config import RayConfig
from workers.backends.local import LocalBackend
from workers.compose import open_backend
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.pool import EnginePool
from workers.errors import EngineError, WorkerError
from workers.pipeline import run_batch
from workers.recipes import Recipe
from workers.store import SqlStore
from workers.tiny.corpus.truth import known_sources
from workers.types import BatchSpec, Budget, LedgerRow, Outcome, Progress


class Side(Protocol):
    """What this process holds."""

    async def start(self) -> None: ...

    async def measure(self, arm: str, count: int) -> Measured: ...


class Winnow:
    """Winnow's engine, alone and with ever more of the service around it.

    With `workers` it runs on that many actors of a Ray cluster of its own, graded as the arm ON.
    """

    def __init__(self, work: Work, workers: int | None = None) -> None:
        self._work = work
        self._workers = workers
        self._pool = EnginePool({"model": work.config()})
        self._ray: Backend | None = None
        self._written = 0

    async def start(self) -> None:
        if self._workers is None:
            self._count_tokens_of(await self._pool.get("model"))
            return
        graders, _ = self._gate(ON, self._work.of_recipe())
        self._ray = open_backend(self._on_ray(self._workers), self._pool, graders)
        await self._ray.ready("model")

    async def measure(self, arm: str, count: int) -> Measured:
        return await (self._alone(count) if arm == ENGINE else self._through(arm, count))

    def _on_ray(self, workers: int) -> RayConfig:
        """Actors share what cores or GPUs there are, so that all of them find room."""
        import torch

        gpus, cores = torch.cuda.device_count(), len(os.sched_getaffinity(0))
        return RayConfig(
            address="local",
            workers=workers,
            num_cpus=min(1.0, cores / workers),
            num_gpus=min(1.0, gpus / workers) if gpus else 0.0,
        )

    def _count_tokens_of(self, engine: Engine) -> None:
        generate = engine.generate

        # The ledger counts the tokens of graders' prompts with those of the replies.
        async def counting(request: GenerationRequest, on_text: OnText | None = None) -> Generation:
            made = await generate(request, on_text)
            self._written += made.completion_tokens
            return made

        engine.generate = counting  # type: ignore[method-assign]

    async def _alone(self, count: int) -> Measured:
        engine, requests = await self._pool.get("model"), self._work.requests(count)
        began, cpu = time.perf_counter(), time.process_time()
        made = await asyncio.gather(*(engine.generate(request) for request in requests))
        cpu = time.process_time() - cpu
        tokens = sum(item.completion_tokens for item in made)
        seconds = sum(item.seconds for item in made)
        return Measured(count, time.perf_counter() - began, tokens, cpu, engine_seconds=seconds)

    async def _through(self, arm: str, count: int) -> Measured:
        recipe, work = self._work.of_recipe(), self._work
        graders, gate = self._gate(arm, recipe)
        sources = tuple(item.source for item in known_sources(work.recipe, count, work.seed))
        budget = Budget(max_candidates=count)
        spec = BatchSpec(work.recipe, count, sources, "model", work.seed, budget)
        backend = self._ray or LocalBackend(self._pool, graders)
        first: list[float] = []
        errors: list[str] = []

        def watch(progress: Progress, rows: list[LedgerRow]) -> None:
            if not first and any(row.outcome is Outcome.ACCEPTED for row in rows):
                first.append(time.perf_counter() - began)
            errors.extend(row.error for row in rows if row.error)

        with TemporaryDirectory() as folder:
            store = SqlStore(f"sqlite:///{folder}/winnow.db")
            record, _ = store.create_batch(spec)
            stateless = gate.requiring(name for name in gate.required if name != NOVELTY)
            job = Job(record.id, recipe, "model", stateless)
            with contextlib.closing(store):
                async with backend.producer(job) as producer:
                    written, cpu = self._written, time.process_time()
                    began = time.perf_counter()
                    result = await run_batch(
                        record.id,
                        spec,
                        producer,
                        store,
                        gate=gate,
                        novelty_text=_body,
                        on_progress=watch,
                    )
                    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        progress = result.progress
        made = progress.accepted + progress.rejected + progress.failed
        if made != count or progress.failed:
            raise EngineError(
                f"{arm}: of {count} candidates {made} were made and {progress.failed} failed: "
                f"{errors[0] if errors else result.message}"
            )
        return Measured(
            made,
            seconds,
            progress.completion_tokens,
            cpu,
            progress.accepted,
            max(0, self._written - written - progress.completion_tokens),
            first[0] if first else None,
            progress.grader_seconds,
            progress.engine_seconds,
        )

    def _gate(self, arm: str, recipe: Recipe) -> tuple[GradersConfig, Gate]:
        """Over meaningless text the entailment model reads every claim, and a coin decides."""
        if arm == OFF:
            return GradersConfig(early_abort=False), Gate({}, ())
        if self._work.dummy:
            consistency = ConsistencyConfig(entail_labelled=True, judge=False, language=None)
            graders = GradersConfig(consistency=consistency, early_abort=arm == ABORTS)
            gate = Gate({"consistency": 0.0, NOVELTY: 0.0}, ("consistency", COIN, NOVELTY))
            return graders, gate
        graders = GradersConfig(early_abort=arm == ABORTS)
        if self._work.apart:
            reader = ConsistencyConfig(entail_labelled=True, judge=False, threads=1)
            graders = GradersConfig(consistency=reader, early_abort=arm == ABORTS)
        return graders, build_gate(graders, recipe.graders)


def _body(candidate: Candidate) -> str:
    return candidate.body


def build_side(side: str, work: Work, workers: int | None) -> Side:
    """`bare` or `winnow`."""
    if side == BARE:
        return Vllm(work) if work.engine["kind"] == "vllm" else Transformers(work)
    return Winnow(work, workers)


def set_engine_apart() -> Callable[[], None]:
    """Bind vLLM on a CPU to all cores but the last; what is returned leaves that one to us."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise EngineError("--apart needs two cores: one writes, one grades")
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores[:-1]))

    def take_the_last() -> None:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):  # it may just have ended
                os.sched_setaffinity(int(thread), cores[-1:])

    return take_the_last


async def serve(side: Side, commands: TextIO, answers: TextIO, work: Work) -> None:
    """Answer until the commands end, or with the reason why that can't be."""
    try:
        await _serve(side, commands, answers, work)
    except (WorkerError, GraderError) as exc:
        print(json.dumps({FAILED: said(exc)}), file=answers, flush=True)


async def _serve(side: Side, commands: TextIO, answers: TextIO, work: Work) -> None:
    settle = set_engine_apart() if work.apart else lambda: None
    await side.start()
    settle()
    first = True
    print(json.dumps({}), file=answers, flush=True)
    while arm := (await asyncio.to_thread(commands.readline)).strip():
        if first:
            await side.measure(arm, WARM_UP)
            first = False
        measured = await side.measure(arm, work.candidates)
        print(json.dumps(asdict(measured)), file=answers, flush=True)


def main() -> None:
    """`side work workers`, the last two as JSON."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print does not belong among the answers
    work = Work(**json.loads(sys.argv[2]))
    side = build_side(sys.argv[1], work, json.loads(sys.argv[3]))
    asyncio.run(serve(side, sys.stdin, answers, work))
    answers.flush()
    os._exit(0)  # engines' processes end with their pipes; nothing is left to write


if __name__ == "__main__":
    main()
