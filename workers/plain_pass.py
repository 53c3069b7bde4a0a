"""One pass over a dataset, without a loop: each row becomes one judged row of the output folder.

Rows travel in chunks. A chunk's part of the output has the same name in every run, so a run that
was broken off goes on where it was, and a chunk that was judged twice is written once.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from graders.errors import GraderConfigError, JudgeUnhealthyError
from graders.gate import Gate
from graders.panel import Judged
from graders.registry import NOVELTY, build_gate
from graders.row_grader import RowGrader
from graders.rows import row_result
from workers.backends.base import Job, check_structured
from workers.backends.config import RayConfig, check_gpus
from workers.backends.local import LocalBackend
from workers.batch_config import GenerateConfig, GradeConfig, InputConfig
from workers.engines.config import EngineConfig
from workers.engines.pool import EnginePool
from workers.errors import EngineUnavailableError, SpecError
from workers.inputs import BadRowError, Piece, Placed, chunks, id_of, read_piece, source_of, text_of
from workers.output_folder import Counts, OutputFolder
from workers.producer import LocalProducer, engine_complete
from workers.recipes import Recipe, known_recipes, load_recipe
from workers.types import Draw, Outcome, Produced, StopReason

CHUNKS_AT_ONCE = 2
"""While the last rows of one chunk are waited for, the next keeps the model busy."""
FAILING_ROWS = 5
"""A chunk of so many rows that the engine, or a grader, failed on, all of them, ends the pass."""

LOOP_ONLY = ("graders_on", "grader_workers", "grader_cpus", "grader_gpus", "max_attempts")
"""What of a Ray backend no pass goes by: its graders are beside the model, and Ray Data repeats."""

PassConfig = GenerateConfig | GradeConfig
RunPass = Callable[
    [PassConfig, Sequence[Piece], AbstractSet[str], Callable[[Counts], None]],
    Coroutine[Any, Any, None],
]
"""The pass on some backend: job, what to read, the parts that are finished, who is told."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows that are judged and written together, as the part of this name."""

    part: str
    rows: tuple[Placed, ...]


class Judge(Protocol):
    """Makes one row of output of each row of input, in order. Start it first."""

    async def start(self) -> None: ...

    async def judge(self, rows: Sequence[Placed]) -> list[Row]: ...

    async def aclose(self) -> None: ...


def input_of(config: PassConfig) -> InputConfig:
    """Where this job reads from."""
    return config.sources if isinstance(config, GenerateConfig) else config.rows


def recipes_of(config: PassConfig) -> dict[str, Recipe]:
    """The recipes that this job may name; its files are read here. Raises RecipeError."""
    return known_recipes(map(Path, config.recipe_files))


def check_pass(config: PassConfig) -> None:
    """Refuse what can't be had, names or options, before anything is loaded or written.

    Raises RecipeError, GraderConfigError and SpecError.
    """
    recipe = load_recipe(config.recipe, recipes_of(config)) if config.recipe else None
    if recipe is not None and isinstance(config, GenerateConfig):
        check_structured(recipe, config.models[config.model_name])
    if isinstance(config.backend, RayConfig):
        _check_cluster(config.backend, config.models)
    named = config.use if isinstance(config, GradeConfig) else None
    names = named or (recipe.graders if recipe else ())
    build_gate(config.graders, names, config.thresholds)


def _check_cluster(backend: RayConfig, models: Mapping[str, EngineConfig]) -> None:
    check_gpus(backend, models)
    plain = RayConfig()
    if unused := [name for name in LOOP_ONLY if getattr(backend, name) != getattr(plain, name)]:
        raise SpecError(f"backend: {', '.join(unused)} can only be set for `mode: batch`")


def read_chunks(piece: Piece, size: int, finished: AbstractSet[str]) -> Iterator[Chunk]:
    """The chunks of a piece whose parts are not there yet."""
    digest = hashlib.blake2b(f"{piece.label}#{piece.start}".encode(), digest_size=8).hexdigest()
    for number, rows in enumerate(chunks(read_piece(piece), size)):
        part = f"part-{digest}-{number:06d}"
        if part not in finished:
            yield Chunk(part, tuple(rows))


class PassWorker:
    """Judges chunks and writes their parts; several at once on one event loop."""

    def __init__(self, config: PassConfig, recipes: Mapping[str, Recipe]) -> None:
        self._judge = _judge_for(config, recipes)
        self._folder = OutputFolder(config.out)

    async def start(self) -> None:
        """Load models and graders. Raises WorkerError and GraderError."""
        await self._judge.start()

    async def process(self, chunk: Chunk) -> Counts:
        """Judge one chunk and write it.

        Raises EngineUnavailableError and JudgeUnhealthyError when nothing was to be had of the
        models: then the part is not written, and a later run does it. Raises ExportError.
        """
        rows = await self._judge.judge(chunk.rows)
        _refuse_failing(rows)
        return await asyncio.to_thread(self._folder.write_part, chunk.part, rows)

    async def aclose(self) -> None:
        """Unload what was loaded."""
        await self._judge.aclose()


async def run_pass(
    config: PassConfig,
    pieces: Sequence[Piece],
    finished: AbstractSet[str],
    on_counts: Callable[[Counts], None],
) -> None:
    """Judge everything that is not finished, in this process. Raises as `PassWorker` does."""
    worker = PassWorker(config, recipes_of(config))
    turns = asyncio.Semaphore(CHUNKS_AT_ONCE)

    async def process(chunk: Chunk) -> None:
        try:
            on_counts(await worker.process(chunk))
        finally:
            turns.release()

    await worker.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            for piece in pieces:
                remaining = read_chunks(piece, config.rows_per_part, finished)
                while chunk := await asyncio.to_thread(next, remaining, None):
                    await turns.acquire()
                    tasks.create_task(process(chunk))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    finally:
        await worker.aclose()


class _GradeJudge:
    """Judges texts that are there already, as `winnow grade` does."""

    def __init__(self, config: GradeConfig, recipes: Mapping[str, Recipe]) -> None:
        self._config = config
        self._recipes = recipes
        self._engines = EnginePool(config.models)
        self._grader: RowGrader | None = None

    async def start(self) -> None:
        config, complete = self._config, None
        if config.model is not None:
            complete = engine_complete(await self._engines.get(config.model))
        for name in config.graders.models_of(config.use or ()):
            await self._engines.get(self._engines.checked(name))
        self._grader = RowGrader(
            config.graders,
            complete,
            models=self._engines.model,
            graders=config.use,
            thresholds=config.thresholds,
            recipes=self._recipes,
            novelty=False,
        )

    async def judge(self, rows: Sequence[Placed]) -> list[Row]:
        output: dict[int, Row] = {}
        good: dict[int, Row] = {}
        for number, placed in enumerate(rows):
            try:
                good[number] = self._row(placed, number)
            except (BadRowError, GraderConfigError) as exc:
                reason = str(exc).removeprefix(f"row {number + 1}: ")
                output[number] = _bad_row(placed, reason)
        results = await self._started.grade(list(good.values()))
        for (number, row), result in zip(good.items(), results, strict=True):
            output[number] = {**_judged_row(result), "text": row["text"]}
        return [output[number] for number in range(len(rows))]

    async def aclose(self) -> None:
        if self._grader:
            await self._grader.aclose()
        await self._engines.aclose()

    @property
    def _started(self) -> RowGrader:
        assert self._grader is not None, "start comes first"
        return self._grader

    def _row(self, placed: Placed, number: int) -> Row:
        """The row in the words of `winnow grade`, found fit to be graded."""
        config = self._config.rows
        row: Row = {"text": text_of(placed, config.text), "id": id_of(placed, config)}
        for field in ("source", "question", "gold"):
            column = getattr(config, field)
            if column is not None and column not in placed.row:
                raise BadRowError(f"there is no column {column!r}")
            row[field] = placed.row.get(column or field)
        if self._config.recipe:
            row["recipe"] = self._config.recipe
        self._started.read(row, number)
        return row


class _GenerateJudge:
    """Makes one candidate of each source and gates it."""

    def __init__(self, config: GenerateConfig, recipes: Mapping[str, Recipe]) -> None:
        self._config = config
        self._recipe = load_recipe(config.recipe, dict(recipes))
        self._backend = LocalBackend(EnginePool(config.models), config.graders)
        self._opened = AsyncExitStack()
        self._gate: Gate
        self._producer: LocalProducer

    async def start(self) -> None:
        config, recipe = self._config, self._recipe
        names = [name for name in recipe.graders if name != NOVELTY]
        self._gate = build_gate(config.graders, names, config.thresholds)
        job = Job(
            "generate",
            recipe,
            config.model_name,
            self._gate,
            time_limit=config.candidate_timeout_seconds,
        )
        self._producer = await self._opened.enter_async_context(self._backend.producer(job))

    async def judge(self, rows: Sequence[Placed]) -> list[Row]:
        return list(await asyncio.gather(*map(self._make, rows, range(len(rows)))))

    async def aclose(self) -> None:
        await self._opened.aclose()
        await self._backend.aclose()

    async def _make(self, placed: Placed, number: int) -> Row:
        try:
            source = source_of(placed, self._config.sources)
        except BadRowError as exc:
            return _bad_row(placed, str(exc))
        draw = Draw(number, source, seed_for(self._config.seed, source.id))
        return self._produced_row(await self._producer.produce(draw))

    def _produced_row(self, produced: Produced) -> Row:
        made, id_ = produced.candidate, produced.draw.source.id
        if made is None or produced.verdict is None:
            return {"id": id_, "outcome": Outcome.FAILED, "error": produced.error}
        result = row_result(id_, Judged(produced.grades, produced.verdict), self._gate)
        undecided = produced.verdict.undecided
        failed = {"outcome": Outcome.FAILED, "error": f"ungraded: {undecided}"}
        return {
            **_judged_row(result),
            **(failed if undecided else {}),
            "text": made.text,
            "fields": orjson.dumps(dict(made.fields)).decode(),
            "model": made.model,
            "seed": made.seed,
            "prompt_tokens": made.prompt_tokens,
            "completion_tokens": made.completion_tokens,
        }


def seed_for(seed: int, source_id: str) -> int:
    """The seed of a source's candidate: 48 bits, wherever and whenever it is made."""
    digest = hashlib.blake2b(f"{seed}:{source_id}".encode(), digest_size=6).digest()
    return int.from_bytes(digest)


def _judge_for(config: PassConfig, recipes: Mapping[str, Recipe]) -> Judge:
    if isinstance(config, GradeConfig):
        return _GradeJudge(config, recipes)
    return _GenerateJudge(config, recipes)


def _judged_row(result: Mapping[str, Any]) -> Row:
    judged = {key: value for key, value in result.items() if key != "verdict"}
    return {**judged, "outcome": Outcome(result["verdict"])}


def _bad_row(placed: Placed, reason: str) -> Row:
    """A row that can't be used is counted as failed, under its place; the rest go on."""
    error = f"bad_row: {placed.place}: {reason}"
    return {"id": placed.place, "outcome": Outcome.FAILED, "error": error}


def _refuse_failing(rows: Sequence[Row]) -> None:
    errors = [str(row.get("error") or "") for row in rows]
    unhealthy = next((e for e in errors if e.startswith(StopReason.JUDGE_UNHEALTHY)), None)
    if unhealthy:
        raise JudgeUnhealthyError(unhealthy)
    tried = [error for error in errors if not error.startswith("bad_row")]
    if len(tried) < FAILING_ROWS:
        return
    for code, who in (("engine_", "the engine"), ("grader_error", "a grader")):
        if all(error.startswith(code) for error in tried):
            raise EngineUnavailableError(f"{who} failed on every row of a part: {tried[0]}")
