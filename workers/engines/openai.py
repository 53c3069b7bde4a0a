"""Engine `openai`: any endpoint that speaks OpenAI's chat completions (vLLM, SGLang, llama.cpp, …).

Each request is one POST, streamed only when somebody watches the text. Refusals for load, time-outs
and broken connections are tried again, and lower the number of requests that are out at once.
"""

import asyncio
import logging
import random

import aiohttp

from graders.busy_time import BusyTime
from workers.engines import openai_faults, openai_wire
from workers.engines.base import Generation, GenerationRequest, OnText
from workers.engines.config import OpenAIConfig
from workers.engines.in_flight import InFlight
from workers.engines.openai_endpoint import Endpoint
from workers.engines.openai_faults import NoRoomError, TransientError
from workers.engines.openai_wire import Reply, StreamedReply
from workers.engines.turns import Turns
from workers.errors import EngineError, EngineUnavailableError

log = logging.getLogger(__name__)

LEAST_ROOM = 16
"""A prompt that leaves fewer tokens than this for the reply is too long."""
STREAM_EVERY = 8
"""Streamed pieces, about a token each, between two calls of a request's `on_text`."""
START_TIMEOUT_S = 15.0


class OpenAIEngine:
    """See workers.engines.base.Engine. `concurrency` is the most requests ever out at once.

    A text that is aborted comes without token counts; then a streamed piece counts as a token,
    and the prompt by the endpoint's own tokens per character so far. `Generation.seconds` are of
    the try that succeeded.
    """

    def __init__(self, config: OpenAIConfig) -> None:
        self.model = config.model
        self.concurrency = config.concurrency
        self._config = config
        self._context = config.context
        self._turns = Turns(config.concurrency)
        self._busy = BusyTime()
        self._in_flight = InFlight()
        self._jitter = random.Random()
        self._endpoint: Endpoint | None = None
        self._tokens, self._characters = 1, 4

    async def start(self) -> None:
        """Reach the endpoint and find the model. Raises EngineUnavailableError."""
        if self._endpoint is not None:
            return
        endpoint = Endpoint(self._config)
        try:
            await self._find_model(endpoint)
        except BaseException:
            await endpoint.aclose()
            raise
        self._turns = Turns(self.concurrency)
        self._endpoint = endpoint

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        """One reply, after as many tries as it takes. A new try shows `on_text` a new text."""
        if self._endpoint is None:
            raise EngineUnavailableError("the engine is not running: call start() first")
        async with self._in_flight.request():
            reply, seconds = await self._persist(self._endpoint, request, on_text)
        return Generation(
            reply.text,
            reply.finish_reason,
            self._prompt_tokens(request, reply),
            reply.completion_tokens,
            seconds,
        )

    async def aclose(self) -> None:
        """Close the connections; requests still in flight fail with EngineError."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await self._in_flight.aclose()
            await endpoint.aclose()

    async def _persist(
        self, endpoint: Endpoint, request: GenerationRequest, on_text: OnText | None
    ) -> tuple[Reply, float]:
        """Try until there is a reply, none can come, or the tries are used up."""
        room = min(request.max_tokens, self._context or request.max_tokens)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._try(endpoint, request, room, on_text)
            except NoRoomError as exc:
                if exc.room >= room:
                    raise EngineError(f"the endpoint contradicts itself: {exc}") from exc
                room = exc.room
            except TransientError as exc:
                log.info("try %d of %d: %s", tries, self._config.retries + 1, exc)
                if tries > self._config.retries:
                    raise exc.error from exc.__cause__
                await asyncio.sleep(
                    openai_faults.pause(tries, self._config.backoff_s, self._jitter)
                )

    async def _try(
        self, endpoint: Endpoint, request: GenerationRequest, room: int, on_text: OnText | None
    ) -> tuple[Reply, float]:
        """Ask when it is this request's turn, and tell the limit how that went.

        Raises TransientError, NoRoomError and EngineError.
        """
        ticket = await self._turns.take(urgent=request.urgent)
        try:
            with self._busy.request() as seconds:
                reply = await self._ask(endpoint, request, room, on_text)
                share = seconds()
        except TransientError as exc:
            self._turns.congest(ticket, exc.hold_s)
            raise
        except BaseException:
            self._turns.release(ticket)
            raise
        self._turns.succeed(ticket)
        return reply, share

    async def _ask(
        self, endpoint: Endpoint, request: GenerationRequest, room: int, on_text: OnText | None
    ) -> Reply:
        body = openai_wire.encode(
            self.model, request, room, self._config.extra_body, stream=on_text is not None
        )
        async with endpoint.call(
            "POST",
            "/chat/completions",
            body,
            timeout_s=self._config.timeout_s,
            least_room=min(LEAST_ROOM, request.max_tokens),
        ) as response:
            if on_text is None or response.content_type == "application/json":
                return openai_wire.decode(await response.read())
            return await _watch(response, on_text)

    async def _find_model(self, endpoint: Endpoint) -> None:
        """See that the endpoint answers, takes the key and has the model."""
        url = self._config.base_url
        try:
            models = await endpoint.models(START_TIMEOUT_S)
        except TransientError as exc:
            raise EngineUnavailableError(
                f"{url} is not ready ({exc}): start it, or correct base_url"
            ) from exc
        except EngineUnavailableError:
            raise
        except EngineError as exc:
            raise EngineUnavailableError(str(exc)) from exc
        if models and self.model not in models:
            await self._try_unlisted(endpoint, sorted(models))
        self._context = self._config.context or models.get(self.model)

    async def _try_unlisted(self, endpoint: Endpoint, listed: list[str]) -> None:
        """Some endpoints take names that they don't list: one token tells."""
        try:
            await self._ask(endpoint, GenerationRequest("Hi", 0, max_tokens=1), 1, None)
        except (EngineError, TransientError, NoRoomError) as exc:
            shown = ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
            raise EngineUnavailableError(
                f"{self._config.base_url} has no model {self.model!r} ({exc}); it lists {shown}: "
                "set `model` to one of them"
            ) from exc

    def _prompt_tokens(self, request: GenerationRequest, reply: Reply) -> int:
        if reply.prompt_tokens is None:
            return max(1, round(len(request.prompt) * self._tokens / self._characters))
        self._tokens += reply.prompt_tokens
        self._characters += len(request.prompt)
        return reply.prompt_tokens


async def _watch(response: aiohttp.ClientResponse, on_text: OnText) -> Reply:
    """Read a streamed reply, showing its text now and then; leaving early hangs up."""
    streamed = StreamedReply()
    shown = 0
    async for data in response.content.iter_any():
        for text in streamed.feed(data):
            if streamed.pieces - shown >= STREAM_EVERY:
                shown = streamed.pieces
                if not _show(on_text, text):
                    return streamed.aborted()
        if streamed.done:
            break
    return streamed.reply()


def _show(on_text: OnText, text: str) -> bool:
    try:
        return on_text(text)
    except Exception as exc:  # a caller's function may raise anything
        raise EngineError(f"on_text raised {exc!r}") from exc
