"""The local backend ends a text early only where the gate is sure to refuse it."""

import asyncio

import pytest

from graders.config import GradersConfig
from graders.gate import Gate
from graders.types import Source
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import ScriptedConfig
from workers.engines.pool import EnginePool
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
    """Holds the looping engine under every name."""

    async def get(self, name: str) -> Engine:
        return LoopingEngine()

    def turns(self, name: str) -> asyncio.Semaphore:
        return asyncio.Semaphore(1)


async def produced(threshold: float, *, early_abort: bool) -> Produced:
    backend = LocalBackend(
        OneEngine({"looping": ScriptedConfig()}), GradersConfig(early_abort=early_abort)
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
