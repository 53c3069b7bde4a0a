"""Chat completions as bytes: what goes to an OpenAI-compatible endpoint and what comes back.

Pure: no client and no clock. The shapes are those of OpenAI's API reference, "Chat" and
"Streaming"; only fields that vLLM, SGLang, llama.cpp and others share are used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from workers.engines.base import FinishReason, GenerationRequest
from workers.engines.openai_faults import cut_off, error_message, malformed
from workers.errors import EngineError

_FINISH: Final[dict[str, FinishReason]] = {"length": "length", "max_tokens": "length"}
_WITHHELD: Final = frozenset({"content_filter", "abort", "error"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A text with its counts. Without the endpoint's own, `prompt_tokens` is None and
    `completion_tokens` counts the streamed pieces, which hold about a token each.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None
    completion_tokens: int


def encode(
    model: str,
    request: GenerationRequest,
    max_tokens: int,
    extra: Mapping[str, Any],
    *,
    stream: bool,
) -> bytes:
    """The body of POST /chat/completions; fields of `extra` go over ours."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": request.prompt}],
        "seed": request.seed % 2**63,
        "max_tokens": max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if request.stop:
        body["stop"] = request.stop
    if request.json_schema is not None:
        schema = {"name": "reply", "schema": dict(request.json_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps({**body, **extra})


def decode(payload: bytes) -> Reply:
    """A whole answer. Raises EngineError when it is no chat completion."""
    try:
        body = orjson.loads(payload)
        choice, usage = body["choices"][0], body["usage"]
        text = choice["message"]["content"] or ""
        if not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
        finish = _finish(choice["finish_reason"])
        return Reply(text, finish, int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
    except orjson.JSONDecodeError as exc:
        raise malformed(payload, "not JSON") from exc
    except KeyError as exc:
        raise malformed(payload, f"{exc} is missing") from exc
    except (IndexError, TypeError, ValueError, AttributeError) as exc:
        raise malformed(payload, f"a field has another shape: {exc}") from exc


class StreamedReply:
    """Puts the server-sent events of one streamed completion together."""

    def __init__(self) -> None:
        self.text = ""
        self.pieces = 0
        self.done = False
        self._finish: FinishReason | None = None
        self._usage: tuple[int, int] | None = None
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """Take what arrived; gives the text so far after each event, however they arrived.

        Raises EngineError and TransientError.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip())
                yield self.text

    def reply(self) -> Reply:
        """The whole text. Raises TransientError when the stream ended before the text did."""
        if self._finish is None:
            raise cut_off()
        return Reply(self.text, self._finish, *(self._usage or (None, self.pieces)))

    def aborted(self) -> Reply:
        """The text so far, which nobody wants to go on."""
        return Reply(self.text, "aborted", *(self._usage or (None, self.pieces)))

    def _event(self, event: bytes) -> None:
        if event == b"[DONE]":
            self.done = True
            return
        try:
            body = orjson.loads(event)
            if "error" in body:
                raise cut_off(f"the endpoint broke off ({error_message(event)})")
            if usage := body.get("usage"):
                self._usage = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
            for choice in body["choices"][:1]:
                self._choice(choice)
        except orjson.JSONDecodeError as exc:
            raise malformed(event, "an event is not JSON") from exc
        except KeyError as exc:
            raise malformed(event, f"{exc} is missing") from exc
        except (TypeError, ValueError, AttributeError) as exc:
            raise malformed(event, f"a field has another shape: {exc}") from exc

    def _choice(self, choice: Any) -> None:
        if piece := choice["delta"].get("content"):
            self.text += piece
            self.pieces += 1
        if reason := choice.get("finish_reason"):
            self._finish = _finish(reason)


def _finish(reason: str) -> FinishReason:
    """Raises EngineError where the endpoint withheld or gave up the text."""
    if reason in _WITHHELD:
        raise EngineError(f"the endpoint ended the text with {reason!r}: see its log")
    if not isinstance(reason, str):
        raise TypeError(f"finish_reason is {reason!r}")
    return _FINISH.get(reason, "stop")
