"""The endpoint of benchmarks/peers.py: OpenAI's chat completions with one fixed latency.

Every text and every verdict follows from the number of the record that the prompt speaks of, so
that the work is the same for all peers and can be counted: of records 0 to N - 1 half pass.
"""

import argparse
import asyncio
import random
import re
import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web

MODEL = "fixed-latency"
SOURCE_WORDS, TEXT_WORDS = 80, 40
_RECORD = re.compile(r"Record (\d{5}) ")
_TEXT = re.compile(r"Record (\d{5}) states that ")
_ONSETS = "b br c cl d dr f fl g gr h j k l m n p pl qu r s sh st t tr v w".split()
_ENDINGS = "amber atter eld ender erry ilver ine inter iver oad older onder orn oven umber".split()
WORDS = tuple(onset + ending for onset in _ONSETS for ending in _ENDINGS)


@dataclass(slots=True)
class Tally:
    """What was asked. `repeated` counts what was asked before; `first_at` is monotonic time."""

    generated: set[int] = field(default_factory=set)
    judged: set[int] = field(default_factory=set)
    repeated: int = 0
    other: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    first_at: float | None = None

    def note(self, asked: set[int], number: int) -> None:
        """Count one request for a text or for a verdict."""
        self.first_at = self.first_at or time.monotonic()
        self.repeated += number in asked
        asked.add(number)

    def counts(self) -> dict[str, Any]:
        """All of it as JSON."""
        sizes = {"generated": len(self.generated), "judged": len(self.judged)}
        return {**asdict(self), **sizes}


def source_of(number: int) -> str:
    """The text of one record that is to be summed up."""
    words = random.Random(f"source {number}").choices(WORDS, k=SOURCE_WORDS)
    return f"Record {number:05} of the register holds: {' '.join(words)}."


@lru_cache(maxsize=100_000)
def text_of(number: int) -> str:
    """The one sentence that is generated from this record; no two are alike."""
    words = random.Random(f"text {number}").choices(WORDS, k=TEXT_WORDS)
    return f"Record {number:05} states that {' '.join(words)}."


def passes(number: int) -> bool:
    """Whether the judge finds for the text of this record."""
    return number % 2 == 1


class PeerEndpoint:
    """Answers after `latency_s`; the judge's replies are `holds` and `fails`, word for word."""

    def __init__(self, latency_s: float, holds: str, fails: str) -> None:
        self.tally = Tally()
        self._latency_s, self._holds, self._fails = latency_s, holds, fails

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request: a completion, the list of models, or the counts so far."""
        if request.path.endswith("/counts"):
            return _json(self.tally.counts())
        if not request.path.endswith("/chat/completions"):
            return _json({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        body = orjson.loads(await request.read())
        tally = self.tally
        tally.in_flight += 1
        tally.most_in_flight = max(tally.most_in_flight, tally.in_flight)
        try:
            await asyncio.sleep(self._latency_s)
        finally:
            tally.in_flight -= 1
        reply = self.reply("\n".join(_content(turn) for turn in body["messages"]))
        return _streamed(reply) if body.get("stream") else _json(_completion(reply))

    def reply(self, prompt: str) -> str:
        """The verdict where the prompt holds a text, else the text where it holds a record."""
        if text := _TEXT.search(prompt):
            number = int(text[1])
            self.tally.note(self.tally.judged, number)
            return self._holds if passes(number) else self._fails
        if record := _RECORD.search(prompt):
            number = int(record[1])
            self.tally.note(self.tally.generated, number)
            return text_of(number)
        self.tally.other += 1
        return "Hello."


def _content(turn: dict[str, Any]) -> str:
    """A turn's text, which some clients send in parts."""
    content = turn["content"]
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def _completion(reply: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _usage(reply)}


_HEAD = {"id": "chatcmpl-0", "created": 0, "model": MODEL}


def _usage(reply: str) -> dict[str, int]:
    written = len(reply) // 4
    return {"prompt_tokens": 150, "completion_tokens": written, "total_tokens": 150 + written}


def _streamed(reply: str) -> web.Response:
    """Server-sent events, four characters to an event, all at once."""
    pieces = [reply[at : at + 4] for at in range(0, len(reply), 4)]
    choices = [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces]
    events: list[dict[str, Any]] = [{"choices": [choice]} for choice in choices]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": _usage(reply)})
    head = {**_HEAD, "object": "chat.completion.chunk"}
    lines = b"".join(b"data: " + orjson.dumps({**head, **event}) + b"\n\n" for event in events)
    return web.Response(body=lines + b"data: [DONE]\n\n", content_type="text/event-stream")


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


async def _serve(endpoint: PeerEndpoint) -> None:
    server = web.Server(endpoint.handle, access_log=None)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server, "127.0.0.1", 0, backlog=1024)
    port = listening.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await listening.serve_forever()


def main() -> None:
    """Serve until killed; prints the base URL when it is ready."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that a reply takes")
    parser.add_argument("--holds", default="yes", help="the judge's reply where a text passes")
    parser.add_argument("--fails", default="no", help="… and where it does not")
    given = parser.parse_args()
    asyncio.run(_serve(PeerEndpoint(given.latency, given.holds, given.fails)))


if __name__ == "__main__":
    main()
