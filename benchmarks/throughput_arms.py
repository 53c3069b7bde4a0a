"""One side of the throughput benchmark: holds a model and writes the same texts when told to.

A process of its own, started by benchmarks.throughput, so that the bare engine and Winnow's are
loaded at the same time and can take turns. Reads the name of an arm a line, answers with JSON.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol, TextIO

from graders.config import ConsistencyConfig, GradersConfig
from graders.gate import Gate
from graders.registry import NOVELTY, build_gate
from graders.scripted import ScriptedGrader
from graders.types import Candidate
from workers.backends.base import Backend, Job
from workers.backends.config import RayConfig
from workers.backends.local import LocalBackend
from workers.compose import open_backend
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import TransformersConfig, VllmConfig
from workers.engines.pool import EnginePool
from workers.pipeline import run_batch, seed_of
from workers.recipes import SHIPPED, Parsed, Recipe
from workers.store import SqlStore
from workers.tiny.corpus.truth import known_sources
from workers.types import BatchSpec, Budget, LedgerRow, Outcome, Progress

BARE: Final = "bare"
ENGINE: Final = "engine"
OFF: Final = "grading off"
ON: Final = "grading on"
ABORTS: Final = "aborts on"
ARMS: Final = (BARE, ENGINE, OFF, ON, ABORTS)
WARM_UP: Final = 8
COIN: Final = 0.5
"""Share of meaningless texts that pass."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every arm does. `dummy` texts mean nothing: graders read them, a coin lets them pass.

    `max_tokens` None is the recipe's own limit; `engine` is that engine's configuration. With
    `apart` the graders ask the writing model nothing, and vLLM leaves them the last core.
    """

    engine: dict[str, Any]
    recipe: str
    candidates: int
    seed: int
    dummy: bool = False
    max_tokens: int | None = None
    apart: bool = False

    def config(self) -> TransformersConfig | VllmConfig:
        if self.engine["kind"] == "vllm":
            return VllmConfig.model_validate(self.engine)
        return TransformersConfig.model_validate(self.engine)

    def of_recipe(self) -> Recipe:
        """The shipped recipe; over meaningless text, one that takes the text as it is."""
        recipe = SHIPPED[self.recipe]
        recipe = replace(recipe, max_tokens=self.max_tokens or recipe.max_tokens)
        if not self.dummy:
            return recipe
        return replace(
            recipe,
            parse=_as_it_is,
            graders=("consistency",),
            novelty_field="text",
            temperature=1.0,
            top_p=1.0,
            body_start=None,
        )

    def requests(self, count: int) -> list[GenerationRequest]:
        """The prompts of the first `count` candidates, with the seeds Winnow gives them."""
        recipe = self.of_recipe()
        return [
            GenerationRequest(
                recipe.prompt(item.source),
                seed_of(self.seed, seq),
                recipe.max_tokens,
                recipe.temperature,
                recipe.top_p,
                recipe.stop,
            )
            for seq, item in enumerate(known_sources(self.recipe, count, self.seed))
        ]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one arm. Seconds are wall time, but for `cpu_seconds` of this process.

    `tokens` are the candidates' completion tokens, `asked_tokens` those that graders had the
    model write beside. `first_sample` is the seconds until the first accepted one was stored.
    `grader_seconds` are summed over candidates that wait side by side.
    """

    candidates: int
    seconds: float
    tokens: int
    cpu_seconds: float
    accepted: int = 0
    asked_tokens: int = 0
    first_sample: float | None = None
    grader_seconds: float = 0.0
    engine_seconds: float = 0.0


class Side(Protocol):
    """What this process holds."""

    async def start(self) -> None: ...

    async def measure(self, arm: str, count: int) -> Measured: ...


class Transformers:
    """`model.generate` on padded batches, as its own documentation batches."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._checkpoint: Any = None

    async def start(self) -> None:
        from workers.engines.loading import load

        config = self._work.config()
        assert isinstance(config, TransformersConfig)
        self._checkpoint, self._rows = load(config), config.max_batch
        self._checkpoint.tokenizer.padding_side = "left"

    async def measure(self, arm: str, count: int) -> Measured:
        import torch

        requests = self._work.requests(count)
        torch.manual_seed(self._work.seed)
        began, cpu, tokens = time.perf_counter(), time.process_time(), 0
        with torch.inference_mode():
            for low in range(0, count, self._rows):
                tokens += self._generate(requests[low : low + self._rows])
        cpu = time.process_time() - cpu
        return Measured(count, time.perf_counter() - began, tokens, cpu)

    def _generate(self, requests: Sequence[GenerationRequest]) -> int:
        tokenizer, model = self._checkpoint.tokenizer, self._checkpoint.model
        turns = [[{"role": "user", "content": request.prompt}] for request in requests]
        inputs = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        ).to(model.device)
        first = requests[0]
        out = model.generate(
            **inputs,
            do_sample=True,
            temperature=first.temperature,
            top_p=first.top_p,
            max_new_tokens=first.max_tokens,
            pad_token_id=tokenizer.pad_token_id,
        )[:, inputs["input_ids"].shape[1] :]
        tokenizer.batch_decode(out, skip_special_tokens=True)
        return sum(_until_end(row, self._checkpoint.ends) for row in out.tolist())


class Vllm:
    """`vllm.LLM.generate` with all prompts at once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._llm: Any = None

    async def start(self) -> None:
        from workers.engines import vllm_loading
        from workers.engines.registry import resolve_model

        config = self._work.config()
        assert isinstance(config, VllmConfig)
        vllm_loading.import_vllm()
        from vllm import LLM

        self._llm = LLM(
            resolve_model(config.model),
            max_num_seqs=config.max_batch,
            **vllm_loading.arguments(config),
        )

    async def measure(self, arm: str, count: int) -> Measured:
        from vllm import SamplingParams

        requests = self._work.requests(count)
        sampling = [
            SamplingParams(
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed % 2**63,
                max_tokens=request.max_tokens,
                stop=list(request.stop),
            )
            for request in requests
        ]
        began, cpu = time.perf_counter(), time.process_time()
        turns: Any = [[{"role": "user", "content": request.prompt}] for request in requests]
        outputs = self._llm.chat(turns, sampling, use_tqdm=False)
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        cpu = time.process_time() - cpu
        return Measured(count, time.perf_counter() - began, tokens, cpu)


class Winnow:
    """Winnow's engine, alone and with ever more of the service around it.

    With `workers` it runs on that many actors of a Ray cluster of its own.
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
        self._ray = open_backend(self._on_ray(self._workers), self._pool, GradersConfig())
        await self._ray.ready("model")

    async def measure(self, arm: str, count: int) -> Measured:
        return await (self._alone(count) if arm == ENGINE else self._through(arm, count))

    def _on_ray(self, workers: int) -> RayConfig:
        """Actors share what cores or GPUs there are, so that all of them find room."""
        import torch

        gpus, cores = torch.cuda.device_count(), len(os.sched_getaffinity(0))
        return RayConfig(
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
        backend = self._ray or LocalBackend(self._pool, graders, {"scripted": ScriptedGrader(COIN)})
        first: list[float] = []

        def watch(progress: Progress, rows: list[LedgerRow]) -> None:
            if not first and any(row.outcome is Outcome.ACCEPTED for row in rows):
                first.append(time.perf_counter() - began)

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
            raise SystemExit(f"{arm}: {progress} of {count}: {result.message}")
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
            gate = Gate({"consistency": 0.0, NOVELTY: 0.0}, ("consistency", "scripted", NOVELTY))
            return graders, gate
        graders = GradersConfig(early_abort=arm == ABORTS)
        if self._work.apart:
            reader = ConsistencyConfig(entail_labelled=True, judge=False, threads=1)
            graders = GradersConfig(consistency=reader, early_abort=arm == ABORTS)
        return graders, build_gate(graders, recipe.graders)


def _as_it_is(text: str) -> Parsed:
    return Parsed({"text": text}, body=text)


def _body(candidate: Candidate) -> str:
    return candidate.body


def _until_end(tokens: Sequence[int], ends: frozenset[int]) -> int:
    """Tokens up to the first that ends the reply, itself included."""
    return next((n for n, token in enumerate(tokens, 1) if token in ends), len(tokens))


def build_side(side: str, work: Work, workers: int | None) -> Side:
    """`bare` or `winnow`."""
    if side == BARE:
        return Vllm(work) if work.engine["kind"] == "vllm" else Transformers(work)
    return Winnow(work, workers)


def set_engine_apart() -> Callable[[], None]:
    """Bind vLLM on a CPU to all cores but the last; what is returned leaves that one to us."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("--apart needs two cores: one writes, one grades")
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores[:-1]))

    def take_the_last() -> None:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):  # it may just have ended
                os.sched_setaffinity(int(thread), cores[-1:])

    return take_the_last


async def _serve(side: Side, commands: TextIO, answers: TextIO, work: Work) -> None:
    settle = set_engine_apart() if work.apart else lambda: None
    await side.start()
    settle()
    first = True
    print("ready", file=answers, flush=True)
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
    asyncio.run(_serve(side, sys.stdin, answers, work))
    answers.flush()
    os._exit(0)  # engines' processes end with their pipes; nothing is left to write


if __name__ == "__main__":
    main()
