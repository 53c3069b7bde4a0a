"""Generate, grade and gate one candidate in one hop, so that rejected text need not travel.

`LocalProducer` is the only implementation of the work; backends host one where the model is.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Protocol, Self

from graders.base import AskAhead, Complete, Completion
from graders.busy_time import waiting_for_model
from graders.errors import GraderError, JudgeUnhealthyError
from graders.gate import decide
from graders.panel import Panel
from graders.types import Candidate, Grade, Source
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.lasting import gave_up, outlast
from workers.errors import EngineError, EngineTimeoutError, PromptTooLongError
from workers.recipes.base import MalformedTextError, Parsed, Recipe
from workers.types import Draw, Produced, StopReason

logger = logging.getLogger(__name__)
TIME_LIMIT = 300.0
EarlyAbort = Callable[[str], str | None]
"""Why no continuation of this text can pass, or None while one still may."""
Watch = Callable[[str], Grade | None]
"""Follows one text while it is written; a grade means that no continuation of it can pass."""
OpenWatch = Callable[[Source, AskAhead], Watch | None]
"""The watch over one text about a source, and how it may ask; None where none can be kept."""

_questions: ContextVar["_Questions | None"] = ContextVar("_questions", default=None)
"""What graders ask about the candidate at hand."""


class Producer(Protocol):
    """Makes candidates.

    `produce` never raises (but for cancellation): every failure becomes `Produced.error`.
    `concurrency` is how many draws keep it busy; it may change while a batch runs.
    """

    @property
    def concurrency(self) -> int: ...

    async def start(self) -> None: ...

    async def produce(self, draw: Draw) -> Produced: ...

    async def aclose(self) -> None: ...


class LocalProducer:
    """Produces in this process. `panel` holds the graders that need no state.

    Whoever shares the engine and the panel among batches starts and closes them himself, and
    leaves `start` and `aclose` alone. `turns` are the engine's slots, shared likewise; without
    them this producer reckons with all `engine.concurrency` of them. `time_limit` is in seconds,
    for generating and grading one candidate: waiting for a turn does not count. `early_abort` and
    the watches that `watch` opens end texts that the gate is sure to refuse.
    """

    def __init__(
        self,
        engine: Engine,
        recipe: Recipe,
        panel: Panel,
        batch_id: str,
        *,
        early_abort: EarlyAbort | None = None,
        watch: OpenWatch | None = None,
        time_limit: float = TIME_LIMIT,
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self.concurrency = engine.concurrency
        self._engine = engine
        self._recipe = recipe
        self._panel = panel
        self._batch_id = batch_id
        self._time_limit = time_limit
        self._turns = turns or asyncio.Semaphore(engine.concurrency)
        self._early_abort = early_abort
        self._watch = watch

    async def start(self) -> None:
        """Load the model, then the graders. Raises EngineUnavailableError and GraderError."""
        await self._engine.start()
        await self._panel.start()

    async def aclose(self) -> None:
        """Close the graders, then the model."""
        await self._panel.aclose()
        await self._engine.aclose()

    async def produce(self, draw: Draw) -> Produced:
        """Generate, parse, grade and gate.

        A text that `early_abort` ended is graded too: `form` refuses it. One that a watch ended
        has its verdict by the watch's grade. When the engine dies or hangs, the draw is made again.
        """
        try:
            return await outlast(self._engine, lambda: self._produce(draw))
        except TimeoutError:
            error = f"engine_timeout: no candidate within {self._time_limit:g} s"
        except PromptTooLongError as exc:
            error = f"prompt_too_long: {exc}"
        except EngineTimeoutError as exc:
            error = f"engine_timeout: {exc}"
        except EngineError as exc:
            error = f"engine_error: {exc}"
        except JudgeUnhealthyError as exc:
            error = f"{StopReason.JUDGE_UNHEALTHY}: {exc}"
        except GraderError as exc:
            error = f"grader_error: {exc}"
        except Exception as exc:
            logger.exception("candidate %d of %s failed", draw.seq, self._batch_id)
            error = f"engine_error: {type(exc).__name__}: {exc}"
        return Produced(draw, error=error)

    async def _produce(self, draw: Draw) -> Produced:
        try:
            prompt = self._recipe.prompt(draw.source)
        except Exception as exc:  # noqa: BLE001 - a user's recipe may raise anything
            return _recipe_failure(draw, "prompt", exc)
        with _Questions(self._engine, draw.seed) as questions:
            return await self._write_and_judge(draw, prompt, questions)

    async def _write_and_judge(self, draw: Draw, prompt: str, questions: "_Questions") -> Produced:
        request = self._request(prompt, draw.seed)
        watch = self._watch(draw.source, questions.ask_ahead) if self._watch else None
        stream = _Stream(self._early_abort, watch, request.stop)
        generation = None
        try:
            async with asyncio.timeout(None) as limit:
                async with self._turns:  # given back before grading, lest the engine idle meanwhile
                    limit.reschedule(asyncio.get_running_loop().time() + self._time_limit)
                    generation = await self._engine.generate(request, stream.on_text)
                return await self._judge(draw, prompt, generation, stream, questions)
        except TimeoutError as exc:
            if generation is None:
                gave_up(self._engine, self._time_limit)
                raise
            raise GraderError(f"no grade within {self._time_limit:g} s") from exc

    async def _judge(
        self,
        draw: Draw,
        prompt: str,
        generation: Generation,
        stream: "_Stream",
        questions: "_Questions",
    ) -> Produced:
        try:
            candidate = self._candidate(draw, prompt, generation)
        except Exception as exc:  # noqa: BLE001 - a user's recipe may raise anything
            return _recipe_failure(draw, "parse", exc)
        if stream.grade is not None and generation.finish_reason == "aborted":
            gate = self._panel.gate.requiring((stream.grade.grader,))
            grades = (stream.grade,)
            return Produced(draw, questions.charge(candidate), grades, decide(gate, grades))
        [judged] = await self._panel.grade([candidate])
        return Produced(draw, questions.charge(candidate), judged.grades, judged.verdict)

    def _request(self, prompt: str, seed: int) -> GenerationRequest:
        recipe = self._recipe
        return GenerationRequest(
            prompt,
            seed,
            recipe.max_tokens,
            recipe.temperature,
            recipe.top_p,
            recipe.stop,
            json_schema=recipe.json_schema,
        )

    def _candidate(self, draw: Draw, prompt: str, generation: Generation) -> Candidate:
        text = _storable(generation.text)
        malformed = None
        try:
            parsed = _checked(self._recipe.parse(text))
        except MalformedTextError as exc:
            parsed, malformed = Parsed({}, body=text), str(exc)
        return Candidate(
            batch_id=self._batch_id,
            seq=draw.seq,
            recipe=self._recipe.name,
            text=text,
            body=parsed.body,
            source=draw.source,
            question=parsed.question,
            answer=parsed.answer,
            fields=parsed.fields,
            malformed=malformed,
            model=self._engine.model,
            seed=draw.seed,
            finish_reason=generation.finish_reason,
            prompt_tokens=generation.prompt_tokens,
            completion_tokens=generation.completion_tokens,
            engine_seconds=generation.seconds,
            prompt=prompt,
        )


class _Stream:
    """One text while it is written: shown to the checks, and why it was ended, if it was."""

    def __init__(
        self, early_abort: EarlyAbort | None, watch: Watch | None, stop: Sequence[str]
    ) -> None:
        self.grade: Grade | None = None
        self.on_text: OnText | None = self._look if early_abort or watch else None
        self._early_abort = early_abort
        self._watch = watch
        self._held_back = max((len(string) - 1 for string in stop), default=0)

    def _look(self, text: str) -> bool:
        """What may be the start of a stop string, and no part of the text, is not looked at."""
        text = text[: len(text) - self._held_back] if self._held_back else text
        if self._early_abort and self._early_abort(text) is not None:
            return False
        self.grade = self._watch(text) if self._watch else None
        return self.grade is None


class _Questions:
    """What graders ask `engine` about one candidate, in the task that enters it and in those that
    start there: the replies that it is charged for, and what was asked ahead, while its text was
    written. On leaving, nobody wants the replies any more that are still to come.
    """

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self._seed = seed
        self._replies: list[Generation] = []
        self._ahead: dict[GenerationRequest, asyncio.Task[Completion]] = {}
        self._loop = asyncio.get_running_loop()
        self._token: Token[_Questions | None] | None = None

    def __enter__(self) -> Self:
        self._token = _questions.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._token is not None, "entered"
        _questions.reset(self._token)
        self._token = None
        for task in self._ahead.values():
            task.cancel()

    def ask_ahead(
        self, prompt: str, *, max_tokens: int, hear: Callable[[Completion], None]
    ) -> None:
        """See graders.base.AskAhead."""
        self._loop.call_soon_threadsafe(
            self._begin, _question(prompt, self._seed, max_tokens, 0.0), hear
        )

    def asked_ahead(self, request: GenerationRequest) -> asyncio.Task[Completion] | None:
        """The reply to come of a question that was put before."""
        return self._ahead.get(request)

    def count(self, reply: Generation) -> None:
        """The candidate is charged for this reply."""
        self._replies.append(reply)

    def charge(self, candidate: Candidate) -> Candidate:
        """The candidate with what was asked about it so far; what is not answered yet is lost."""
        if not self._replies:
            return candidate
        replies = self._replies
        return replace(
            candidate,
            grading_tokens=sum(reply.prompt_tokens + reply.completion_tokens for reply in replies),
            grading_engine_seconds=sum(reply.seconds for reply in replies),
        )

    def _begin(self, request: GenerationRequest, hear: Callable[[Completion], None]) -> None:
        if self._token is None:
            return

        def heard(task: asyncio.Task[Completion]) -> None:
            if not task.cancelled() and task.exception() is None:
                hear(task.result())

        if request not in self._ahead:
            self._ahead[request] = asyncio.create_task(_ask(self.engine, request, self))
        self._ahead[request].add_done_callback(heard)


class _EngineComplete:
    """See `engine_complete`."""

    def __init__(self, engine: Engine, turns: asyncio.Semaphore | None) -> None:
        self._engine = engine
        self._turns = turns

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        requests = [
            _question(prompt, seed, max_tokens, temperature, urgent=self._turns is None)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        try:
            with waiting_for_model():
                return await self._ask_all(requests)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _ask_all(self, requests: Sequence[GenerationRequest]) -> list[Completion]:
        if len(requests) == 1:  # the usual case, without a task of its own
            return [await self._ask(requests[0])]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask(request)) for request in requests]
        return [task.result() for task in asked]

    async def _ask(self, request: GenerationRequest) -> Completion:
        questions = _questions.get()
        if questions is not None and questions.engine is self._engine:
            before = questions.asked_ahead(request)
            if before is not None and (reply := await before).error is None:
                return reply
        async with self._turns or nullcontext():
            return await _ask(self._engine, request, questions)


def _question(
    prompt: str, seed: int, max_tokens: int, temperature: float, *, urgent: bool = True
) -> GenerationRequest:
    return GenerationRequest(prompt, seed, max_tokens, temperature, top_p=1.0, urgent=urgent)


async def _ask(
    engine: Engine, request: GenerationRequest, questions: _Questions | None
) -> Completion:
    try:
        generation = await outlast(engine, lambda: engine.generate(request))
    except EngineError as exc:
        return Completion("", error=str(exc) or type(exc).__name__)
    if questions is not None:
        questions.count(generation)
    return Completion(generation.text)


def engine_complete(engine: Engine, turns: asyncio.Semaphore | None = None) -> Complete:
    """Let graders ask the model that also writes; each prompt is one generation.

    Questions about candidates go before texts that wait. With `turns`, the engine's slots, they
    queue for those like any text. An EngineError spoils its own reply only. Any other error
    cancels the rest and is raised.
    """
    return _EngineComplete(engine, turns)


def _recipe_failure(draw: Draw, part: str, exc: Exception) -> Produced:
    logger.error("the recipe's %s raised", part, exc_info=exc)
    return Produced(draw, error=f"recipe_error: {part} raised {type(exc).__name__}: {exc}")


def _checked(parsed: Parsed) -> Parsed:
    """What a user's recipe found, fit to be stored. Raises TypeError where it is not text."""
    fields = dict(parsed.fields)
    texts = {"body": parsed.body, "question": parsed.question, "answer": parsed.answer}
    optional = {name: text for name, text in texts.items() if text is not None or name == "body"}
    for name, text in [*fields.items(), *optional.items()]:
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"{name!r} is {type(text).__name__}; names and values must be str")
        text.encode()
    return parsed if type(parsed.fields) is dict else replace(parsed, fields=fields)


def _storable(text: str) -> str:
    """Replace, one for one, what no database text holds: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
