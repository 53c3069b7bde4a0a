"""An engine that dies is closed and replaced; what it had in hand is made again, or named."""

import asyncio
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from graders.config import GradersConfig
from graders.gate import Gate
from graders.types import Source
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines import lasting
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import EngineConfig, ScriptedConfig
from workers.engines.pool import EnginePool
from workers.engines.scripted import ScriptedEngine
from workers.errors import EngineDiedError, EngineError, EngineUnavailableError
from workers.producer import engine_complete
from workers.recipes import SHIPPED
from workers.types import Draw

SOURCE = Source("a", "Name: Aldra\nKind: river\nLength: 412 km")
REQUEST = GenerationRequest("Write about the sea.", 1)
CONFIG = ScriptedConfig(latency_s=0.01, concurrency=4)


class Mortal(ScriptedEngine):
    """The scripted engine, of which the first `doomed` die at their third request."""

    doomed = 1
    made: ClassVar[list["Mortal"]] = []

    def __init__(self, config: ScriptedConfig) -> None:
        super().__init__(config)
        self.requests = 0
        self.closed = False
        self.mortal = len(self.made) < self.doomed
        self.made.append(self)

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        self.requests += 1
        if self.mortal and self.requests >= 3:
            raise EngineDiedError("it is dead")
        generation = await super().generate(request, on_text)
        if self.closed:
            raise EngineError("the engine was closed")
        return generation

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


@pytest.fixture(autouse=True)
def mortals(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mortal]]:
    """Every engine that this test's pools make, in order."""

    def build(config: EngineConfig) -> Engine:
        assert isinstance(config, ScriptedConfig)
        return Mortal(config)

    monkeypatch.setattr(lasting, "build_engine", build)
    monkeypatch.setattr(Mortal, "doomed", 1)
    monkeypatch.setattr(Mortal, "made", [])
    yield Mortal.made


async def test_draws_on_an_engine_that_dies_are_made_again_on_another(
    mortals: list[Mortal],
) -> None:
    backend = LocalBackend(EnginePool({"fake": CONFIG}), GradersConfig())
    job = Job("b", SHIPPED["essay"], "fake", Gate({}, ("form",)))
    async with backend.producer(job) as producer:
        made = await asyncio.gather(*(producer.produce(Draw(n, SOURCE, n)) for n in range(12)))
    await backend.aclose()
    assert [item.error for item in made] == [None] * 12
    assert [item.candidate.seq for item in made if item.candidate] == list(range(12))
    assert len(mortals) == 2 and all(engine.closed for engine in mortals)


async def test_a_dead_engine_is_no_loaded_one_and_the_next_to_ask_gets_another(
    mortals: list[Mortal],
) -> None:
    deaths: list[EngineDiedError] = []
    pool = EnginePool({"fake": CONFIG}, deaths.append)
    engine = await pool.get("fake")
    for _ in range(2):
        await engine.generate(REQUEST)
    assert pool.loaded("fake")
    with pytest.raises(EngineDiedError, match="it is dead"):
        await engine.generate(REQUEST)
    assert not pool.loaded("fake") and [str(death) for death in deaths] == ["it is dead"]
    with pytest.raises(EngineDiedError):
        await engine.generate(REQUEST)
    again = await pool.get("fake")
    assert pool.loaded("fake") and mortals[0].closed and not mortals[1].closed
    assert (await again.generate(REQUEST)).text
    await pool.aclose()
    with pytest.raises(EngineUnavailableError, match="was closed"):
        await again.start()


async def test_engines_that_keep_dying_fail_the_draw_by_name_after_a_few_tries(
    mortals: list[Mortal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mortal, "doomed", 100)
    backend = LocalBackend(EnginePool({"fake": CONFIG}), GradersConfig())
    job = Job("b", SHIPPED["essay"], "fake", Gate({}, ("form",)))
    async with backend.producer(job) as producer:
        for n in range(2):
            await producer.produce(Draw(n, SOURCE, n))
        monkeypatch.setattr(Mortal, "generate", _always_dead)
        produced = await producer.produce(Draw(2, SOURCE, 2))
    await backend.aclose()
    assert produced.error == "engine_error: it is dead"
    assert len(mortals) == lasting.TRIES


async def _always_dead(*_: object) -> Generation:
    raise EngineDiedError("it is dead")


async def test_what_a_grader_asks_of_a_dying_engine_is_asked_again(mortals: list[Mortal]) -> None:
    pool = EnginePool({"fake": CONFIG})
    ask = engine_complete(await pool.get("fake"))
    replies = await ask(["a", "b", "c", "d"], max_tokens=9, temperature=0.0, seeds=[0] * 4)
    await pool.aclose()
    assert [reply.error for reply in replies] == [None] * 4 and len(mortals) == 2


class Stuck(ScriptedEngine):
    """The scripted engine, which never answers, nor lets itself be closed; after it a sound one."""

    made: ClassVar[int] = 0

    def __init__(self, config: ScriptedConfig) -> None:
        Stuck.made += 1
        self.stuck = Stuck.made == 1
        super().__init__(config)

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        if self.stuck and "slowly" not in request.prompt:
            await asyncio.Event().wait()
        return await super().generate(request, on_text)

    async def aclose(self) -> None:
        if self.stuck:
            await asyncio.Event().wait()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> type[Stuck]:
    monkeypatch.setattr(lasting, "build_engine", Stuck)
    monkeypatch.setattr(lasting, "BURIAL_SECONDS", 0.05)
    monkeypatch.setattr(Stuck, "made", 0)
    return Stuck


async def test_an_engine_that_hangs_is_replaced_and_what_it_had_in_hand_is_made_again(
    stuck: type[Stuck],
) -> None:
    deaths: list[EngineDiedError] = []
    backend = LocalBackend(EnginePool({"fake": CONFIG}, deaths.append), GradersConfig())
    job = Job("b", SHIPPED["essay"], "fake", Gate({}, ("form",)), time_limit=0.3)
    async with backend.producer(job) as producer, asyncio.timeout(20):
        made = await asyncio.gather(*(producer.produce(Draw(n, SOURCE, n)) for n in range(12)))
    await backend.aclose()
    errors = [item.error for item in made if item.error]
    assert errors == ["engine_timeout: no candidate within 0.3 s"] * (lasting.HUNG_AFTER - 1)
    assert [str(death) for death in deaths] == [
        "it hangs: 3 requests in a row got nothing for 0.3 s"
    ]
    assert stuck.made == 2


async def test_requests_that_take_too_long_while_others_are_answered_tell_of_no_hang(
    stuck: type[Stuck],
) -> None:
    pool = EnginePool({"fake": CONFIG})
    engine = await pool.get("fake")
    others = GenerationRequest("Write slowly about the sea.", 1)
    for _ in range(2 * lasting.HUNG_AFTER):
        waiting = asyncio.create_task(engine.generate(REQUEST))
        began = time.monotonic()
        await engine.generate(others, lambda text: True)
        waiting.cancel()
        lasting.gave_up(engine, time.monotonic() - began)
    assert pool.loaded("fake") and stuck.made == 1
    with pytest.raises(EngineDiedError, match="it hangs"):
        for _ in range(lasting.HUNG_AFTER):
            lasting.gave_up(engine, 0.0)
    assert not pool.loaded("fake")
    await pool.aclose()


async def test_a_caller_who_gives_up_does_not_spoil_the_load(mortals: list[Mortal]) -> None:
    pool = EnginePool({"fake": CONFIG})
    first = asyncio.create_task(pool.get("fake"))
    await asyncio.sleep(0)
    first.cancel()
    await pool.get("fake")
    await pool.aclose()
    assert len(mortals) == 1
