"""The local backend ends a text early only where the gate is sure to refuse it."""

import asyncio
from collections.abc import Mapping

import pytest

from graders.config import GradersConfig
from graders.gate import Gate
from graders.registry import build_graders
from graders.types import Source
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import EngineConfig, ScriptedConfig
from workers.engines.pool import EnginePool
from workers.engines.scripted import ScriptedEngine
from workers.producer import engine_complete
from workers.recipes import SHIPPED
from workers.types import Draw, Produced

LOOP = "Thesis: The river is long.\nEssay: " + "The river goes on and on and on. " * 60
DRAW = Draw(0, Source("river", "Name: Aldra\nKind: river"), 1)


class LoopingEngine:
    """Writes one text that repeats itself, and shows it a piece at a time."""

    model = "looping"
    concurrency = 1

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        for end in range(40, len(LOOP), 40):
            if on_text is not None and not on_text(LOOP[:end]):
                return Generation(LOOP[:end], "aborted", 10, end // 4, 0.0)
        return Generation(LOOP, "stop", 10, len(LOOP) // 4, 0.0)


class OneEngine(EnginePool):
    """Holds one engine under every name."""

    def __init__(self, configs: Mapping[str, EngineConfig], engine: Engine) -> None:
        super().__init__(configs)
        self._engine = engine

    async def get(self, name: str) -> Engine:
        return self._engine

    def turns(self, name: str) -> asyncio.Semaphore:
        return asyncio.Semaphore(1)


async def produced(threshold: float, *, early_abort: bool) -> Produced:
    backend = LocalBackend(
        OneEngine({"looping": ScriptedConfig()}, LoopingEngine()),
        GradersConfig(early_abort=early_abort),
    )
    job = Job("b", SHIPPED["essay"], "looping", Gate({"form": threshold}, ("form",)))
    async with backend.producer(job) as producer:
        return await producer.produce(DRAW)


async def test_a_looping_text_is_ended_early_and_would_have_been_refused_whole() -> None:
    cut, whole = [await produced(1.0, early_abort=abort) for abort in (True, False)]
    assert cut.candidate and whole.candidate and cut.verdict and whole.verdict
    assert cut.candidate.finish_reason == "aborted"
    assert len(cut.candidate.text) < len(whole.candidate.text) / 2
    assert not cut.verdict.accepted
    assert not whole.verdict.accepted


@pytest.mark.parametrize("early_abort", [True, False])
async def test_a_gate_that_lets_any_form_pass_gets_the_whole_text(early_abort: bool) -> None:
    made = await produced(0.0, early_abort=early_abort)
    assert made.candidate and made.verdict
    assert made.candidate.text.strip() == LOOP.strip()
    assert made.verdict.accepted


SHEET = Source(
    "aldra",
    "Name: Aldra\nKind: river\nLength: 412 km\nCountry: Norway\nMouth: the North Sea\n"
    "Bridges: 17\nFirst mapped: 1743",
)


class CountingEngine(ScriptedEngine):
    """The scripted engine, which notes what it is asked, and in whose text's midst."""

    def __init__(self) -> None:
        super().__init__(ScriptedConfig(wrong_rate=0.0))
        self.asked: list[GenerationRequest] = []
        self.while_writing = 0
        self._writing = 0

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        if on_text is None:
            self.asked.append(request)
            self.while_writing += self._writing
            return await super().generate(request)
        self._writing += 1
        try:
            return await super().generate(request, on_text)
        finally:
            self._writing -= 1


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_each_claim_is_asked_about_once_most_of_them_while_the_text_is_written(
    elsewhere: bool,
) -> None:
    engine = CountingEngine()
    await engine.start()
    pool = OneEngine({"counting": ScriptedConfig()}, engine)
    graders = GradersConfig()
    placed = build_graders(graders, ["consistency"], engine_complete(engine), pool.model)
    backend = LocalBackend(pool, graders, {"consistency": placed[0]} if elsewhere else None)
    gate = Gate({"consistency": 0.5}, ("consistency",))
    async with backend.producer(Job("b", SHIPPED["essay"], "counting", gate)) as producer:
        made = await producer.produce(Draw(0, SHEET, 1))
    assert made.verdict and made.verdict.accepted and made.candidate
    assert len(engine.asked) == len(set(engine.asked)) > 3
    if elsewhere:  # that grader asks from another process, which can't know of questions here
        assert engine.while_writing == 0
    else:
        assert engine.while_writing > len(engine.asked) / 2
        assert made.candidate.grading_tokens > 0
