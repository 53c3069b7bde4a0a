"""A local OpenAI-compatible endpoint over any engine: with the scripted one, of fixed latency.

The tests and the benchmarks talk to it. It serves one model, on this machine only.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from workers.engines.base import Engine, Generation, GenerationRequest
from workers.engines.config import ScriptedConfig
from workers.engines.registry import build_engine
from workers.errors import EngineError, PromptTooLongError

HOST = "127.0.0.1"
PIECE = 4
"""Characters in one streamed event: about a token."""
BACKLOG = 4096
ENGINE = web.AppKey("engine", Engine)


@asynccontextmanager
async def serving(
    engine: Engine, *, port: int = 0, middlewares: Sequence[Middleware] = ()
) -> AsyncIterator[str]:
    """The base URL of an endpoint that answers until the block ends; port 0 takes a free one.

    The engine must have been started; closing it is its owner's affair.
    """
    app = web.Application(middlewares=list(middlewares), client_max_size=64 * 2**20)
    app[ENGINE] = engine
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, backlog=BACKLOG)
        await site.start()
        yield f"http://{HOST}:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _models(request: web.Request) -> web.Response:
    return _json({"object": "list", "data": [{"id": request.app[ENGINE].model, "object": "model"}]})


async def _complete(request: web.Request) -> web.StreamResponse:
    body = orjson.loads(await request.read())
    engine = request.app[ENGINE]
    if body["model"] != engine.model:
        return _error(404, f"The model `{body['model']}` does not exist.", "model_not_found")
    try:
        generation = await engine.generate(_asked(body))
    except PromptTooLongError as exc:
        return _error(400, f"context length exceeded: {exc}", "context_length_exceeded")
    except EngineError as exc:
        return _error(500, str(exc), "server_error")
    if body.get("stream"):
        return await _stream(request, engine.model, generation)
    message = {"role": "assistant", "content": generation.text}
    choice = {"index": 0, "message": message, "finish_reason": generation.finish_reason}
    return _json(_envelope(engine.model, "chat.completion", [choice], _usage(generation)))


def _asked(body: dict[str, Any]) -> GenerationRequest:
    prompt = "\n\n".join(turn["content"] for turn in body["messages"])
    stop = body.get("stop") or ()
    return GenerationRequest(
        prompt,
        seed=body.get("seed") or 0,
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens") or 512,
        temperature=body.get("temperature", 1.0),
        top_p=body.get("top_p", 1.0),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


async def _stream(request: web.Request, model: str, generation: Generation) -> web.StreamResponse:
    """The text in pieces, then its end, then the counts, as OpenAI does it."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    text, kind = generation.text, "chat.completion.chunk"
    for start in range(0, len(text), PIECE):
        delta = {"content": text[start : start + PIECE]}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        await response.write(_event(_envelope(model, kind, [choice], None)))
    last = {"index": 0, "delta": {}, "finish_reason": generation.finish_reason}
    await response.write(_event(_envelope(model, kind, [last], None)))
    await response.write(_event(_envelope(model, kind, [], _usage(generation))))
    await response.write(b"data: [DONE]\n\n")
    return response


def _envelope(model: str, kind: str, choices: list[Any], usage: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-local",
        "object": kind,
        "created": 0,
        "model": model,
        "choices": choices,
        "usage": usage,
    }


def _usage(generation: Generation) -> dict[str, int]:
    prompt, completion = generation.prompt_tokens, generation.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _error(status: int, message: str, code: str) -> web.Response:
    return _json({"error": {"message": message, "type": code, "code": code}}, status)


async def _serve(config: ScriptedConfig, port: int) -> None:
    engine = build_engine(config)
    await engine.start()
    async with serving(engine, port=port) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve the scripted engine; prints the base URL when it is ready."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.endpoint")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that a reply takes")
    parser.add_argument("--wrong-rate", type=float, default=0.3, help="share of wrong texts")
    given = parser.parse_args()
    config = ScriptedConfig(latency_s=given.latency, wrong_rate=given.wrong_rate)
    try:
        asyncio.run(_serve(config, given.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
