"""The openai engine against a local endpoint that misbehaves, and against vLLM's own server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web

from benchmarks.endpoint import serving
from workers.engines.base import GenerationRequest
from workers.engines.config import OpenAIConfig, ScriptedConfig
from workers.engines.openai import OpenAIEngine
from workers.engines.registry import TINY_MODEL, build_engine
from workers.errors import EngineError, EngineTimeoutError, EngineUnavailableError

KEY = "sk-very-secret"
PROMPT = "Tell me about Saturn.\n\nName: Saturn\nMoons: 146\nKind: planet\nColour: yellow"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
Open = Callable[..., AbstractAsyncContextManager[OpenAIEngine]]


def ask(seed: int = 1, max_tokens: int = 60) -> GenerationRequest:
    return GenerationRequest(PROMPT, seed, max_tokens=max_tokens)


def refuse(status: int, message: str = "no", **headers: str) -> Fault:
    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = {"error": {"message": message}}
        return web.json_response(body, status=status, headers=headers)

    return fault


async def hang_up(request: web.Request, handler: Handler) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def welcome(request: web.Request, handler: Handler) -> web.StreamResponse:
    return web.Response(text="<html>Welcome to nginx</html>", content_type="text/html")


async def break_off(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Begin a stream, and stop in the middle of the text."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b'data: {"choices": [{"delta": {"content": "Sat"}}]}\n\n')
    return response


class Faults:
    """Answers the next completions by these faults, then as the endpoint does."""

    def __init__(self) -> None:
        self.next: list[Fault] = []
        self.always: Fault | None = None
        self.headers: list[dict[str, str]] = []

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.headers.append(dict(request.headers))
            if self.always is not None:
                return await self.always(request, handler)
            if self.next and request.method == "POST":
                return await self.next.pop(0)(request, handler)
            return await handler(request)

        return answer


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def endpoint(faults: Faults) -> AsyncIterator[str]:
    scripted = build_engine(ScriptedConfig())
    await scripted.start()
    async with serving(scripted, middlewares=[faults.middleware]) as url:
        yield url
    await scripted.aclose()


@pytest.fixture
def open_engine(endpoint: str) -> Open:
    @asynccontextmanager
    async def open_(**options: Any) -> AsyncIterator[OpenAIEngine]:
        given = {"base_url": endpoint, "model": "scripted", "backoff_s": 0.01, **options}
        engine = OpenAIEngine(OpenAIConfig(**given))
        await engine.start()
        try:
            yield engine
        finally:
            await engine.aclose()

    return open_


@pytest.mark.parametrize(
    "fault", [refuse(429), refuse(500), refuse(503, **{"Retry-After": "0.05"}), hang_up]
)
async def test_a_passing_fault_is_tried_again(
    open_engine: Open, faults: Faults, fault: Fault
) -> None:
    async with open_engine() as engine:
        whole = await engine.generate(ask())
        faults.next = [fault, fault]
        assert (await engine.generate(ask())).text == whole.text
        assert faults.next == []


async def test_a_request_that_hangs_is_tried_again_and_then_given_up(
    open_engine: Open, faults: Faults
) -> None:
    async with open_engine(timeout_s=1.0, retries=1) as engine:
        faults.next = [hang, hang]
        with pytest.raises(EngineTimeoutError, match="timeout_s"):
            await engine.generate(ask())
        assert (await engine.generate(ask())).text


@pytest.mark.parametrize(
    ("fault", "error", "advice"),
    [
        (refuse(429), EngineError, "lower concurrency"),
        (refuse(500, "CUDA error"), EngineError, "CUDA error"),
        (hang_up, EngineUnavailableError, "still runs"),
        (welcome, EngineError, "base_url"),
        (refuse(401), EngineUnavailableError, "api_key_env"),
        (refuse(404, "no such model"), EngineUnavailableError, "no such model"),
    ],
)
async def test_a_lasting_fault_says_what_to_do(
    open_engine: Open, faults: Faults, fault: Fault, error: type[Exception], advice: str
) -> None:
    async with open_engine(retries=2) as engine:
        faults.always = fault
        with pytest.raises(error, match=advice):
            await engine.generate(ask())
        faults.always = None
        assert (await engine.generate(ask())).text


async def test_an_endpoint_with_few_places_serves_all_in_the_end(
    open_engine: Open, faults: Faults
) -> None:
    places, inside, refused = 4, 0, 0

    async def few(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal inside, refused
        if inside == places:
            refused += 1
            return await refuse(429)(request, handler)
        inside += 1
        try:
            await asyncio.sleep(0.005)
            return await handler(request)
        finally:
            inside -= 1

    async with open_engine(concurrency=64, retries=30) as engine:
        faults.always = few
        replies = await asyncio.gather(*(engine.generate(ask(i)) for i in range(200)))
    assert all(reply.text for reply in replies)
    assert refused < 200


async def test_no_more_requests_are_out_than_concurrency_allows(
    open_engine: Open, faults: Faults
) -> None:
    inside, most = 0, 0

    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return await handler(request)

    async with open_engine(concurrency=5) as engine:
        faults.always = count
        await asyncio.gather(*(engine.generate(ask(i)) for i in range(40)))
    assert most == 5


async def test_a_stream_that_breaks_off_is_begun_again(open_engine: Open, faults: Faults) -> None:
    async with open_engine() as engine:
        whole = await engine.generate(ask())
        faults.next = [break_off, hang_up]
        seen: list[str] = []
        reply = await engine.generate(ask(), lambda text: not seen.append(text))
        assert (reply.text, reply.finish_reason) == (whole.text, whole.finish_reason)
        assert reply.prompt_tokens == whole.prompt_tokens
        assert seen


async def test_aborting_hangs_up_and_counts_what_was_written(
    open_engine: Open, faults: Faults
) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b'data: {"choices": [{"delta": {"content": "fox "}}]}\n\n')
                await asyncio.sleep(0.001)
        except (asyncio.CancelledError, ConnectionError):
            gone.set()
            raise

    async with open_engine() as engine:
        exact = (await engine.generate(ask())).prompt_tokens
        faults.next = [endless]
        reply = await engine.generate(ask(), lambda text: len(text) < 60)
        await asyncio.wait_for(gone.wait(), 20)
        assert reply.finish_reason == "aborted"
        assert reply.completion_tokens == reply.text.count("fox")
        assert abs(reply.prompt_tokens - exact) <= exact / 4


async def test_a_watcher_that_raises_fails_its_own_request_only(open_engine: Open) -> None:
    async with open_engine() as engine:
        with pytest.raises(EngineError, match="on_text raised ZeroDivisionError"):
            await engine.generate(ask(), lambda text: 1 / 0 > 0)
        assert (await engine.generate(ask())).text


async def test_a_reply_that_does_not_fit_is_asked_for_shorter(
    open_engine: Open, faults: Faults
) -> None:
    message = (
        "This model's maximum context length is 256 tokens. However, you requested 316 tokens "
        "(236 in the messages, 80 in the completion)."
    )
    async with open_engine() as engine:
        faults.next = [refuse(400, message)]
        assert (await engine.generate(ask(max_tokens=80))).completion_tokens <= 20


async def test_the_key_goes_to_the_endpoint_and_into_no_message(
    open_engine: Open,
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    async with open_engine(api_key_env="SOME_KEY", retries=1) as engine:
        faults.always = refuse(500, f"Incorrect API key provided: {KEY}")
        with pytest.raises(EngineError, match=r"\[API key\]") as caught:
            await engine.generate(ask())
    assert faults.headers[-1]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("options", "fault", "advice"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, None, "start it, or correct base_url"),
        ({"api_key_env": "NO_SUCH_KEY"}, None, "NO_SUCH_KEY is not set"),
        ({"model": "unheard-of"}, None, "it lists scripted"),
        ({}, refuse(401), "api_key_env"),
        ({}, refuse(503, "loading"), "not ready .*loading"),
        ({}, welcome, "base_url"),
    ],
)
async def test_what_is_wrong_is_said_at_the_start(
    open_engine: Open,
    faults: Faults,
    options: dict[str, Any],
    fault: Fault | None,
    advice: str,
) -> None:
    faults.always = fault
    with pytest.raises(EngineUnavailableError, match=advice):
        async with open_engine(**options):
            pass


async def test_an_endpoint_that_lists_no_models_is_taken_at_its_word(
    open_engine: Open, faults: Faults
) -> None:
    faults.always = refuse(404)
    async with open_engine() as engine:
        faults.always = None
        assert (await engine.generate(ask())).text


async def test_the_gateway_writes_with_an_endpoint_and_lists_it(
    endpoint: str, open_gateway: Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
) -> None:
    models = {
        "remote": {"kind": "openai", "base_url": endpoint, "model": "scripted"},
        "large": {"kind": "vllm", "model": "someone/large"},
    }
    asked = {"recipe": "essay", "count": 2, "sources": ["Name: Saturn\nMoons: 146\nKind: planet"]}
    async with open_gateway(models=models) as http:
        listed = (await http.get("/v1/models")).json()["data"]
        samples = await http.post("/v1/samples", json=asked, timeout=60)
    assert {(row["id"], row["engine"]) for row in listed} == {
        ("remote", "openai"),
        ("large", "vllm"),
    }
    assert samples.status_code == 200
    assert len(samples.text.splitlines()) >= 2


@pytest.mark.vllm
async def test_vllms_own_server_is_served_from_and_tells_its_models(vllm_server: str) -> None:
    engine = OpenAIEngine(OpenAIConfig(base_url=vllm_server, model=TINY_MODEL, concurrency=8))
    await engine.start()
    replies = await asyncio.gather(*(engine.generate(ask(i)) for i in range(16)))
    aborted = await engine.generate(ask(max_tokens=150), lambda text: False)
    await engine.aclose()
    assert all(reply.completion_tokens <= 60 for reply in replies)
    assert len({reply.text for reply in replies}) > 1
    assert aborted.finish_reason == "aborted"
    stranger = OpenAIEngine(OpenAIConfig(base_url=vllm_server, model="unheard-of"))
    with pytest.raises(EngineUnavailableError, match=f"it lists {TINY_MODEL}"):
        await stranger.start()
