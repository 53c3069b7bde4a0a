"""What every engine promises, asked of each: scripted, transformers, openai and vllm."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from benchmarks.endpoint import serving
from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import (
    EngineConfig,
    OpenAIConfig,
    ScriptedConfig,
    TransformersConfig,
    VllmConfig,
)
from workers.engines.registry import build_engine
from workers.engines.scripted import ScriptedEngine
from workers.errors import EngineError, EngineUnavailableError, PromptTooLongError

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "Tell me about Saturn.\n\nName: Saturn\nMoons: 146\nKind: planet\nColour: yellow"
CONTEXT = 256
SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["planet", "moon"]},
        "moons": {"type": "integer", "minimum": 0, "maximum": 999},
        "rings": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
    },
    "required": ["kind", "moons", "rings"],
    "additionalProperties": False,
}

Build = Callable[[], Engine]

_asked_schema: ContextVar[Mapping[str, Any] | None] = ContextVar("_asked_schema", default=None)


@web.middleware
async def read_response_format(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Take the schema where vLLM's server and OpenAI's do."""
    body = json.loads(await request.read() or "{}")
    if asked := body.get("response_format"):
        assert asked["type"] == "json_schema" and asked["json_schema"]["name"]
        _asked_schema.set(asked["json_schema"]["schema"])
    return await handler(request)


class OfTheFormatAsked(ScriptedEngine):
    """The scripted engine behind an endpoint."""

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        return await super().generate(replace(request, json_schema=_asked_schema.get()), on_text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[str]:
    """A local OpenAI-compatible endpoint over the scripted engine."""
    scripted = OfTheFormatAsked(ScriptedConfig(latency_s=0.01, context=CONTEXT))
    await scripted.start()
    async with serving(scripted, middlewares=[read_response_format]) as url:
        yield url
    await scripted.aclose()


def scripted(request: pytest.FixtureRequest) -> EngineConfig:
    return ScriptedConfig(latency_s=0.01, context=CONTEXT)


def transformers(request: pytest.FixtureRequest) -> EngineConfig:
    path = request.getfixturevalue("checkpoint")
    return TransformersConfig(model=str(path), device="cpu", max_batch=16)


def openai(request: pytest.FixtureRequest) -> EngineConfig:
    url = request.getfixturevalue("endpoint")
    return OpenAIConfig(base_url=url, model="scripted", concurrency=16)


def openai_of_vllm(request: pytest.FixtureRequest) -> EngineConfig:
    url = request.getfixturevalue("vllm_server")
    return OpenAIConfig(base_url=url, model="winnow-tiny", concurrency=16)


def vllm(request: pytest.FixtureRequest) -> EngineConfig:
    arguments = request.getfixturevalue("vllm_arguments")
    return VllmConfig(max_batch=16, engine_args=arguments)


@pytest.fixture(
    scope="module",
    params=[
        scripted,
        transformers,
        openai,
        pytest.param(openai_of_vllm, marks=pytest.mark.vllm),
        pytest.param(vllm, marks=pytest.mark.vllm),
    ],
    ids=lambda config: config.__name__,
)
def config(request: pytest.FixtureRequest) -> EngineConfig:
    """An engine with a context of 256 tokens."""
    made: EngineConfig = request.param(request)
    return made


@pytest.fixture(scope="module")
def build(config: EngineConfig) -> Build:
    """Builds that engine."""
    return lambda: build_engine(config)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(build: Build) -> AsyncIterator[Engine]:
    """Started once for all tests: some take a minute to start."""
    engine = build()
    await engine.start()
    yield engine
    await engine.aclose()


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


async def test_the_seconds_of_all_requests_add_up_to_no_more_than_the_time_that_passed(
    engine: Engine,
) -> None:
    began = time.perf_counter()
    replies = await asyncio.gather(*(engine.generate(ask(i)) for i in range(2 * 16)))
    passed = time.perf_counter() - began
    assert all(reply.seconds > 0 for reply in replies)
    assert sum(reply.seconds for reply in replies) <= passed


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


async def test_a_structured_reply_is_json_of_its_schema_or_refused_by_name(
    engine: Engine, config: EngineConfig
) -> None:
    request = ask(prompt=f"{PROMPT}\n\nReply in JSON.", max_tokens=120, json_schema=SCHEMA)
    if not config.structured:
        with pytest.raises(EngineError, match=r"JSON schema; those that can are `vllm`, `openai`"):
            await engine.generate(request)
        return
    seen: list[str] = []

    def watch(text: str) -> bool:
        seen.append(text)
        return True

    for reply in (await engine.generate(request), await engine.generate(request, watch)):
        assert reply.finish_reason == "stop"
        made = json.loads(reply.text)
        assert made.keys() == SCHEMA["properties"].keys()  # type: ignore[attr-defined]
        assert made["kind"] in ("planet", "moon") and made["moons"] in range(1000)
        assert 1 <= len(made["rings"]) <= 2
        assert all(isinstance(ring, bool) for ring in made["rings"])
    assert seen and all(reply.text.startswith(text) for text in seen)
    aborted = await engine.generate(request, lambda text: False)
    assert aborted.finish_reason == "aborted"


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


async def test_outside_of_start_and_close_it_says_so_and_closing_fails_what_is_in_flight(
    build: Build,
) -> None:
    engine = build()
    with pytest.raises(EngineUnavailableError, match="start"):
        await engine.generate(ask())
    await engine.start()
    requests = [ask(i, max_tokens=200) for i in range(2 * engine.concurrency)]
    tasks = [asyncio.create_task(engine.generate(request)) for request in requests]
    await asyncio.sleep(0)
    await engine.aclose()
    await engine.aclose()
    done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    assert all(isinstance(reply, Generation | EngineError) for reply in done)
    with pytest.raises(EngineUnavailableError, match="start"):
        await engine.generate(ask())
