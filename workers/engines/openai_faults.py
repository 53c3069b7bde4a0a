"""What an endpoint says when it gives no answer: whether to ask again, and what to tell the user.

Pure: statuses, headers and bodies in, exceptions out.
"""

import random
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from workers.errors import (
    EngineError,
    EngineTimeoutError,
    EngineUnavailableError,
    PromptTooLongError,
)

LONGEST_PAUSE_S = 60.0
"""No pause before another try is longer; an endpoint that asks for more is given up on."""
TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_TOO_LONG: Final = re.compile(
    r"context[ _](?:length|size|window)|max_new_tokens|prompt is too long|too many tokens", re.I
)
_CONTEXT: Final = re.compile(r"context (?:length|size|window)[^\d]{0,20}?(\d+)", re.I)
_PROMPT: Final = re.compile(
    r"(\d+)(?: input tokens| in the messages| tokens from the input| `inputs` tokens)", re.I
)


class TransientError(Exception):
    """Another try may succeed. `error` is what to raise when there is none.

    `hold_s` is for how long the endpoint asked not to be sent anything.
    """

    def __init__(self, error: EngineError, hold_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.hold_s = hold_s


class NotThereError(EngineUnavailableError):
    """The endpoint has no such path, or no such model."""


class NoRoomError(Exception):
    """The prompt fits but not with the reply that was asked for; `room` tokens are left for it."""

    def __init__(self, room: int) -> None:
        super().__init__(f"{room} tokens are left for the reply")
        self.room = room


def pause(tries: int, first: float, rng: random.Random) -> float:
    """Seconds before the next try, after `tries` that failed: "full jitter", Brooker 2015."""
    return rng.uniform(0, min(LONGEST_PAUSE_S, first * 2.0 ** (tries - 1)))


def refusal(
    status: int, headers: Mapping[str, str], payload: bytes, least_room: int
) -> EngineError | TransientError | NoRoomError:
    """What an answer other than 200 means."""
    said = error_message(payload)
    told = f"the endpoint answered HTTP {status}" + (f" ({said})" if said else "")
    if status in TRANSIENT:
        return _transient(status, headers, told)
    if status in (401, 403):
        return EngineUnavailableError(f"{told}: check the API key that api_key_env names")
    if status == 413 or (status in (400, 422) and _TOO_LONG.search(said)):
        return _too_long(said or told, least_room)
    if status in (404, 405, 501):
        return NotThereError(f"{told}: check base_url and model")
    if status in (400, 422):
        return EngineError(f"{told}: it does not take this request; see extra_body, if it is set")
    return EngineError(f"{told}: check base_url, and the endpoint's log")


def broken_connection(exc: Exception, url: str) -> TransientError:
    """The connection failed before or while the endpoint answered."""
    reason = str(exc) or type(exc).__name__
    return TransientError(
        EngineUnavailableError(
            f"the connection to {url} failed ({reason}): see whether the endpoint still runs"
        )
    )


def timed_out(seconds: float) -> TransientError:
    """No whole answer within the time that one try has."""
    return TransientError(
        EngineTimeoutError(f"no answer within {seconds:g} s: raise timeout_s, or lower concurrency")
    )


def cut_off(told: str = "the endpoint's stream ended in the middle of the text") -> TransientError:
    """A reply that began and did not end."""
    return TransientError(EngineError(f"{told}: see the endpoint's log"))


def malformed(payload: bytes, lacks: str) -> EngineError:
    """An answer with status 200 that is no chat completion."""
    begin = payload[:80].decode("utf-8", "replace")
    return EngineError(
        f"the endpoint's answer is no chat completion ({lacks}; it begins {begin!r}): check that "
        "base_url is that of an OpenAI-compatible API, usually ending in /v1"
    )


def error_message(payload: bytes) -> str:
    """The endpoint's own words, one line of at most 300 characters; empty when there are none."""
    try:
        body: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        body = payload.decode("utf-8", "replace")
    if isinstance(body, dict):
        inner = body.get("error", body)
        body = inner.get("message", inner) if isinstance(inner, dict) else inner
    return " ".join(str(body).split())[:300]


def _transient(status: int, headers: Mapping[str, str], told: str) -> EngineError | TransientError:
    hold_s = retry_after(headers)
    if hold_s > LONGEST_PAUSE_S:
        return EngineError(f"{told}: it asks to wait {hold_s:.0f} s; start again then")
    what = "lower concurrency, or raise retries" if status == 429 else "see the endpoint's log"
    kind = EngineTimeoutError if status in (408, 504) else EngineError
    return TransientError(kind(f"{told}: {what}"), hold_s)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds by the header Retry-After: a number or a date (RFC 9110, section 10.2.3); else 0."""
    value = headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(value)) if value else 0.0
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


def _too_long(said: str, least_room: int) -> PromptTooLongError | NoRoomError:
    context, prompt = _CONTEXT.search(said), _PROMPT.search(said)
    if context and prompt:
        room = int(context[1]) - int(prompt[1])
        if room >= least_room:
            return NoRoomError(room)
        return PromptTooLongError(
            f"the prompt has {prompt[1]} tokens and the model's context holds {context[1]}, "
            "prompt and reply together: shorten the source"
        )
    return PromptTooLongError(f"{said}: shorten the source")
