"""One hop: generate, parse, grade, gate; and every failure comes back by its name."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import pytest

from graders.base import AskAhead
from graders.config import FormConfig
from graders.form import FormGrader
from graders.gate import Gate
from graders.panel import Panel
from graders.types import Candidate, Grade, Source
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import ScriptedConfig
from workers.engines.scripted import ScriptedEngine
from workers.errors import EngineError, EngineTimeoutError, PromptTooLongError
from workers.producer import LocalProducer, engine_complete
from workers.recipes import SHIPPED, Recipe
from workers.recipes.base import Parsed
from workers.types import Draw, Produced

ESSAY = SHIPPED["essay"]
SHEET = Source("iron", "Name: iron\nKind: metal\nAtomic number: 26\nSymbol: Fe")
DRAW = Draw(7, SHEET, 99)
GATE = Gate({}, ("form",))


class FixedEngine:
    """Answers with a fixed text, shown in two pieces, or raises; counts its cancellations."""

    model = "fixed"
    concurrency = 3

    def __init__(self, text: str = "", error: Exception | None = None, hang: bool = False) -> None:
        self.cancelled = 0
        self._text, self._error, self._hang = text, error, hang

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        if self._error:
            raise self._error
        if self._hang:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        text = self._text
        half = text[: len(text) // 2]
        finish: Literal["stop", "aborted"] = "stop"
        if on_text is not None and not on_text(half):
            text, finish = half, "aborted"
        return Generation(text, finish, 11, 22, 0.5)


class BrokenGrader:
    """Raises for every candidate."""

    name = "form"
    version = "1"

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        raise RuntimeError("the grader's bug")


def producer(engine: Engine, recipe: Recipe = ESSAY, time_limit: float = 300.0) -> LocalProducer:
    form = FormGrader(FormConfig())
    return LocalProducer(
        engine,
        recipe,
        Panel([form], GATE),
        "batch_1",
        early_abort=form.early_abort,
        time_limit=time_limit,
    )


async def test_a_candidate_carries_its_parts_its_grades_and_where_it_came_from() -> None:
    engine = ScriptedEngine(ScriptedConfig(wrong_rate=0.0))
    local = producer(engine)
    await local.start()
    produced = await local.produce(DRAW)
    await local.aclose()
    assert produced.error is None
    assert produced.candidate is not None
    assert produced.verdict is not None
    assert produced.verdict.accepted
    candidate = produced.candidate
    assert (candidate.batch_id, candidate.seq, candidate.seed) == ("batch_1", 7, 99)
    assert (candidate.source, candidate.model) == (SHEET, "scripted")
    assert set(candidate.fields) == {"thesis", "essay"}
    assert candidate.body in candidate.text
    assert candidate.completion_tokens > 0


async def test_a_malformed_text_is_rejected_by_form_with_the_parsers_reason() -> None:
    produced = await producer(FixedEngine("Just some words that are no essay.")).produce(DRAW)
    assert produced.candidate is not None
    assert produced.verdict is not None
    assert "Thesis" in (produced.candidate.malformed or "")
    assert [failure.grader for failure in produced.verdict.failures] == ["form"]


async def test_a_doomed_text_is_aborted_and_graded_all_the_same() -> None:
    engine = FixedEngine("Thesis: Iron. Essay: " + "It is a metal that shines. " * 60)
    produced = await producer(engine).produce(DRAW)
    assert produced.candidate is not None
    assert produced.verdict is not None
    assert produced.candidate.finish_reason == "aborted"
    assert not produced.verdict.accepted


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PromptTooLongError("9000 tokens"), "prompt_too_long: 9000 tokens"),
        (EngineTimeoutError("no reply"), "engine_timeout: no reply"),
        (EngineError("out of memory"), "engine_error: out of memory"),
        (ZeroDivisionError("a bug"), "engine_error: ZeroDivisionError: a bug"),
    ],
)
async def test_a_failed_generation_comes_back_by_its_name(error: Exception, code: str) -> None:
    produced = await producer(FixedEngine(error=error)).produce(DRAW)
    assert (produced.candidate, produced.error) == (None, code)


async def test_a_generation_that_takes_too_long_is_cancelled_and_named() -> None:
    engine = FixedEngine(hang=True)
    produced = await producer(engine, time_limit=0.02).produce(DRAW)
    assert produced.error == "engine_timeout: no candidate within 0.02 s"
    assert engine.cancelled == 1


async def test_a_grade_that_takes_too_long_is_told_from_a_text_that_does() -> None:
    class Slow(BrokenGrader):
        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            await asyncio.Event().wait()
            return []

    local = LocalProducer(FixedEngine("text"), ESSAY, Panel([Slow()], GATE), "b", time_limit=0.02)
    assert (await local.produce(DRAW)).error == "grader_error: no grade within 0.02 s"


class OneByOne(ScriptedEngine):
    """A slow model: one request at a time, the others queue."""

    def __init__(self) -> None:
        super().__init__(ScriptedConfig(latency_s=0.1, concurrency=1))
        self._place = asyncio.Semaphore(1)

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        async with self._place:
            return await super().generate(request, on_text)


async def test_the_wait_for_a_slow_model_is_not_held_against_a_candidate() -> None:
    engine = OneByOne()
    turns = asyncio.Semaphore(engine.concurrency)
    panel = Panel([FormGrader(FormConfig())], GATE)
    batches = [
        LocalProducer(engine, ESSAY, panel, name, time_limit=0.5, turns=turns) for name in "ab"
    ]
    await batches[0].start()
    produced = await asyncio.gather(
        *(batch.produce(replace(DRAW, seq=seq)) for seq in range(4) for batch in batches)
    )
    assert [one.error for one in produced] == [None] * 8


async def test_cancelling_a_draw_frees_the_engine() -> None:
    engine = FixedEngine(hang=True)
    task = asyncio.create_task(producer(engine).produce(DRAW))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.cancelled == 1


async def test_a_users_recipe_that_raises_is_named() -> None:
    def broken_prompt(source: Source) -> str:
        raise KeyError("topic")

    def broken_parse(text: str) -> Parsed:
        raise IndexError("no line 3")

    for recipe, words in (
        (replace(ESSAY, prompt=broken_prompt), "recipe_error: prompt raised KeyError"),
        (replace(ESSAY, parse=broken_parse), "recipe_error: parse raised IndexError"),
    ):
        produced = await producer(FixedEngine("text"), recipe).produce(DRAW)
        assert (produced.error or "").startswith(words)


@pytest.mark.parametrize(
    "parsed",
    [
        Parsed({"essay": {1, 2}}, "b"),  # type: ignore[dict-item]
        Parsed({"essay": None}, "b"),  # type: ignore[dict-item]
        Parsed({1: "x"}, "b"),  # type: ignore[dict-item]
        Parsed({"essay": "\ud800"}, "b"),
        Parsed({}, None),  # type: ignore[arg-type]
        Parsed({}, "b", answer=3),  # type: ignore[arg-type]
        ("no", "Parsed"),
    ],
)
async def test_a_users_recipe_that_finds_what_can_not_be_stored_is_named(parsed: Parsed) -> None:
    recipe = replace(ESSAY, parse=lambda text: parsed)
    produced = await producer(FixedEngine("text"), recipe).produce(DRAW)
    assert produced.candidate is None
    assert (produced.error or "").startswith("recipe_error: parse raised")


async def test_a_broken_grader_leaves_the_candidate_ungraded_and_not_accepted() -> None:
    local = LocalProducer(FixedEngine("text"), ESSAY, Panel([BrokenGrader()], GATE), "b")
    produced = await local.produce(DRAW)
    assert produced.verdict is not None
    assert [failure.ungraded for failure in produced.verdict.failures] == [True]


async def test_a_text_is_made_fit_for_any_database_without_moving_its_offsets() -> None:
    produced = await producer(FixedEngine("a\0b\ud800c")).produce(DRAW)
    assert produced.candidate is not None
    assert produced.candidate.text == "a\ufffdb?c"


async def test_graders_ask_the_engine_and_one_failure_spoils_one_reply_only() -> None:
    class FailsOnce(FixedEngine):
        async def generate(
            self, request: GenerationRequest, on_text: OnText | None = None
        ) -> Generation:
            if request.prompt == "bad":
                raise EngineError("too busy")
            return Generation(f"{request.prompt}/{request.seed}", "stop", 1, 1, 0.0)

    complete = engine_complete(FailsOnce())
    replies = await complete(["a", "bad", "c"], max_tokens=5, temperature=0.0, seeds=[1, 2, 3])
    assert [reply.text for reply in replies] == ["a/1", "", "c/3"]
    assert [reply.error for reply in replies] == [None, "too busy", None]


async def test_questions_about_texts_that_are_there_queue_with_the_texts_to_write() -> None:
    class Watched(FixedEngine):
        at_once = most = 0

        async def generate(
            self, request: GenerationRequest, on_text: OnText | None = None
        ) -> Generation:
            assert not request.urgent
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0)
            self.at_once -= 1
            return Generation("Yes", "stop", 1, 1, 0.0)

    engine = Watched()
    complete = engine_complete(engine, asyncio.Semaphore(2))
    replies = await complete(["?"] * 9, max_tokens=5, temperature=0.0, seeds=[0] * 9)
    assert [reply.text for reply in replies] == ["Yes"] * 9 and engine.most == 2


async def test_a_candidate_is_charged_for_what_graders_ask_about_it_and_for_nothing_else() -> None:
    class Asks(BrokenGrader):
        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            asked = [str(n) for n in range(candidates[0].seq)]
            await asyncio.sleep(0)
            await complete(asked, max_tokens=5, temperature=0.0, seeds=[0] * len(asked))
            return [Grade("form", "1", 1.0)]

    engine = FixedEngine("text")
    complete = engine_complete(engine)
    local = LocalProducer(engine, ESSAY, Panel([Asks()], GATE), "b")
    made = await asyncio.gather(*(local.produce(replace(DRAW, seq=seq)) for seq in range(3)))
    await complete(["for nobody"], max_tokens=5, temperature=0.0, seeds=[0])
    for seq, candidate in enumerate(item.candidate for item in made):
        assert candidate is not None
        assert (candidate.completion_tokens, candidate.engine_seconds) == (22, 0.5)
        assert candidate.grading_tokens == 33 * seq
        assert candidate.grading_engine_seconds == 0.5 * seq


async def test_an_unexpected_error_in_one_reply_ends_the_others() -> None:
    class Breaks(FixedEngine):
        async def generate(
            self, request: GenerationRequest, on_text: OnText | None = None
        ) -> Generation:
            if request.prompt == "bad":
                await asyncio.sleep(0)
                raise ZeroDivisionError("a bug")
            return await super().generate(request, on_text)

    engine = Breaks(hang=True)
    with pytest.raises(ZeroDivisionError):
        await engine_complete(engine)(["a", "bad", "c"], max_tokens=5, temperature=0, seeds=[1] * 3)
    assert engine.cancelled == 2


class AskedWhileWriting(FixedEngine):
    """Writes its text word by word, each after all tasks had a turn; replies `No` to `Bad?`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.asked: list[str] = []

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        if request.urgent:
            self.asked.append(request.prompt)
            if request.prompt == "Hangs?":
                self._hang = True
                return await super().generate(request)
            return Generation("No" if request.prompt == "Bad?" else "Yes", "stop", 5, 1, 0.25)
        assert on_text is not None
        words = self._text.split()
        for count in range(1, len(words) + 1):
            if not on_text(" ".join(words[:count])):
                return Generation(" ".join(words[:count]), "aborted", 11, count, 0.5)
            await asyncio.sleep(0.001)
        return Generation(self._text, "stop", 11, len(words), 0.5)


class AsksOfEachQuestion:
    """A grader whose claims are the words that end in `?`; one that is not answered Yes fails."""

    name = "form"
    version = "1"

    def __init__(self, engine: Engine) -> None:
        self._complete = engine_complete(engine)

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        [candidate] = candidates
        asked = [word for word in candidate.text.split() if word.endswith("?")]
        replies = await self._complete(
            asked, max_tokens=5, temperature=0.0, seeds=[candidate.seed] * len(asked)
        )
        return [Grade("form", "1", float(all(reply.text == "Yes" for reply in replies)))]

    def watch(self, source: Source, ask: AskAhead) -> Callable[[str], Grade | None]:
        replies: list[str] = []
        seen: set[str] = set()

        def look(text: str) -> Grade | None:
            for word in text.split():
                if word.endswith("?") and word not in seen:
                    seen.add(word)
                    ask(word, max_tokens=5, hear=lambda reply: replies.append(reply.text))
            return Grade("form", "1", 0.0) if "No" in replies else None

        return look


async def made_while_asking(text: str) -> tuple[Produced, AskedWhileWriting]:
    engine = AskedWhileWriting(text)
    grader = AsksOfEachQuestion(engine)
    recipe = replace(ESSAY, parse=lambda text: Parsed({}, body=text))
    panel = Panel([grader], Gate({"form": 1.0}, ("form",)))
    local = LocalProducer(engine, recipe, panel, "b", watch=grader.watch)
    return await local.produce(DRAW), engine


async def test_what_was_asked_while_a_text_was_written_is_not_asked_again() -> None:
    made, engine = await made_while_asking("One? and two? and three?")
    assert made.verdict is not None and made.verdict.accepted
    assert made.candidate is not None and made.candidate.finish_reason == "stop"
    assert engine.asked == ["One?", "two?", "three?"]
    assert made.candidate.grading_tokens == 3 * 6
    assert made.candidate.grading_engine_seconds == 3 * 0.25


async def test_a_reply_that_refuses_a_text_ends_its_writing_and_what_it_still_asks() -> None:
    made, engine = await made_while_asking("Hangs? and Bad? and " + "more " * 50 + "Late?")
    assert made.verdict is not None and not made.verdict.accepted
    assert made.candidate is not None and made.candidate.finish_reason == "aborted"
    assert made.candidate.completion_tokens < 10
    assert engine.asked == ["Hangs?", "Bad?"]
    assert made.candidate.grading_tokens == 6
    await asyncio.sleep(0.01)
    assert engine.cancelled == 1
