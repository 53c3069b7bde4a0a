"""What every engine promises, asked of the scripted one and of the transformers one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from workers.engines.base import Engine, GenerationRequest
from workers.engines.config import ScriptedConfig, TransformersConfig
from workers.engines.registry import build_engine
from workers.errors import EngineUnavailableError, PromptTooLongError

PROMPT = "Tell me about Saturn.\n\nName: Saturn\nMoons: 146\nKind: planet\nColour: yellow"


@pytest.fixture(params=["scripted", "transformers"])
def unstarted(request: pytest.FixtureRequest) -> Engine:
    if request.param == "scripted":
        return build_engine(ScriptedConfig(latency_s=0.01, context=256))
    path = request.getfixturevalue("checkpoint")
    return build_engine(TransformersConfig(model=str(path), device="cpu", max_batch=16))


@pytest.fixture
async def engine(unstarted: Engine) -> AsyncIterator[Engine]:
    await unstarted.start()
    yield unstarted
    await unstarted.aclose()


def ask(seed: int = 1, prompt: str = PROMPT, **options: object) -> GenerationRequest:
    return GenerationRequest(prompt, seed, **{"max_tokens": 40, **options})  # type: ignore[arg-type]


async def test_the_same_request_gives_the_same_text(engine: Engine) -> None:
    first, second = await engine.generate(ask()), await engine.generate(ask())
    assert first.text == second.text
    assert first.completion_tokens == second.completion_tokens


async def test_another_seed_gives_another_text(engine: Engine) -> None:
    texts = {(await engine.generate(ask(seed))).text for seed in range(5)}
    assert len(texts) > 1


async def test_temperature_zero_does_not_depend_on_the_seed(engine: Engine) -> None:
    first = await engine.generate(ask(1, temperature=0.0))
    second = await engine.generate(ask(2, temperature=0.0))
    assert first.text == second.text


async def test_a_text_does_not_depend_on_its_neighbours(engine: Engine) -> None:
    requests = [ask(i, PROMPT + "!" * i, max_tokens=20 + 2 * i) for i in range(16)]
    alone = [await engine.generate(request) for request in requests]
    together = await asyncio.gather(*(engine.generate(request) for request in requests))
    assert [g.text for g in together] == [g.text for g in alone]
    assert [g.prompt_tokens for g in together] == [g.prompt_tokens for g in alone]


async def test_more_requests_than_slots_are_all_served(engine: Engine) -> None:
    requests = [ask(i, max_tokens=1 + i % 9) for i in range(3 * engine.concurrency)]
    replies = await asyncio.gather(*(engine.generate(request) for request in requests))
    assert all(g.completion_tokens <= r.max_tokens for g, r in zip(replies, requests, strict=True))


async def test_max_tokens_ends_a_text_with_length(engine: Engine) -> None:
    reply = await engine.generate(ask(max_tokens=5))
    assert (reply.finish_reason, reply.completion_tokens) == ("length", 5)


async def test_a_stop_string_ends_a_text_and_is_not_part_of_it(engine: Engine) -> None:
    whole = (await engine.generate(ask())).text
    stop = whole[3:5]
    reply = await engine.generate(ask(stop=(stop,)))
    assert reply.finish_reason == "stop"
    assert reply.text == whole[: whole.index(stop)]


async def test_on_text_sees_growing_text_and_can_abort(engine: Engine) -> None:
    whole = (await engine.generate(ask())).text
    seen: list[str] = []

    def watch(text: str) -> bool:
        seen.append(text)
        return len(seen) < 2

    reply = await engine.generate(ask(), watch)
    assert reply.finish_reason == "aborted"
    assert len(seen) == 2
    assert len(seen[0]) <= len(seen[1]) < len(whole)
    assert all(whole.startswith(text) for text in seen)


async def test_a_prompt_beyond_the_context_is_refused_with_the_numbers(engine: Engine) -> None:
    with pytest.raises(PromptTooLongError, match=r"\d+ tokens .* 256"):
        await engine.generate(ask(prompt="fox " * 500))


async def test_a_reply_is_cut_to_what_the_context_leaves(engine: Engine) -> None:
    reply = await engine.generate(ask(max_tokens=100_000))
    assert reply.prompt_tokens + reply.completion_tokens <= 256


async def test_cancelling_leaves_the_engine_fit_to_serve(engine: Engine) -> None:
    tasks = [
        asyncio.create_task(engine.generate(ask(i, max_tokens=200)))
        for i in range(2 * engine.concurrency)
    ]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert (await asyncio.wait_for(engine.generate(ask()), 20)).text


async def test_an_engine_that_is_not_running_says_so(unstarted: Engine) -> None:
    with pytest.raises(EngineUnavailableError, match="start"):
        await unstarted.generate(ask())
    await unstarted.start()
    await unstarted.aclose()
    await unstarted.aclose()
    with pytest.raises(EngineUnavailableError, match="start"):
        await unstarted.generate(ask())
