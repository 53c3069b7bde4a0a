"""What goes to an endpoint and how its answers read, in the words of several servers."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.engines import openai_faults, openai_wire
from workers.engines.base import GenerationRequest
from workers.engines.openai_faults import NoRoomError, TransientError, refusal
from workers.engines.openai_wire import StreamedReply
from workers.errors import (
    EngineError,
    EngineTimeoutError,
    EngineUnavailableError,
    PromptTooLongError,
)


def answer(**changes: Any) -> bytes:
    choice = {"message": {"content": "Hello."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    return orjson.dumps({"choices": [choice], "usage": usage, **changes})


def refused(message: str, status: int = 400, **headers: str) -> object:
    payload = orjson.dumps({"error": {"message": message}})
    return refusal(status, headers, payload, 16)


def test_a_request_carries_all_that_it_was_asked_with() -> None:
    request = GenerationRequest("Hi", -3, 99, 0.5, 0.9, stop=("\n", "End"))
    body = orjson.loads(openai_wire.encode("m", request, 40, {"top_k": 5}, stream=True))
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert body["stop"] == ["\n", "End"]
    assert (body["max_tokens"], body["temperature"], body["top_p"], body["top_k"]) == (
        40,
        0.5,
        0.9,
        5,
    )
    assert 0 <= body["seed"] < 2**63
    assert body["stream_options"] == {"include_usage": True}


def test_a_request_for_json_carries_its_schema() -> None:
    request = GenerationRequest("Hi", 1, json_schema={"type": "object"})
    body = orjson.loads(openai_wire.encode("m", request, 40, {}, stream=False))
    asked = {"name": "reply", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": asked}
    assert len({request, request}) == 1


def test_a_plain_answer_is_read_whole() -> None:
    reply = openai_wire.decode(answer())
    assert (reply.text, reply.finish_reason) == ("Hello.", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 2)


@pytest.mark.parametrize(
    "payload",
    [
        b"<html>Welcome</html>",
        b"",
        b"[]",
        b"null",
        answer(choices=[]),
        answer(choices=[{"message": {}, "finish_reason": "stop"}]),
        answer(choices=[{"message": {"content": 3}, "finish_reason": "stop"}]),
        answer(choices=[{"message": {"content": "x"}, "finish_reason": None}]),
        answer(usage=None),
        answer(usage={"prompt_tokens": 1}),
    ],
)
def test_an_answer_of_another_shape_says_what_to_check(payload: bytes) -> None:
    with pytest.raises(EngineError, match="base_url"):
        openai_wire.decode(payload)


def test_a_text_that_the_endpoint_withheld_is_a_failure() -> None:
    choice = {"message": {"content": ""}, "finish_reason": "content_filter"}
    with pytest.raises(EngineError, match="content_filter"):
        openai_wire.decode(answer(choices=[choice]))


@settings(deadline=None)
@given(st.text(max_size=60), st.lists(st.integers(1, 50)))
def test_a_stream_reads_the_same_however_it_is_cut(text: str, cuts: list[int]) -> None:
    events = [{"choices": [{"delta": {"content": c}, "finish_reason": None}]} for c in text]
    events.append({"choices": [{"delta": {}, "finish_reason": "length"}]})  # type: ignore[dict-item]
    usage = {"prompt_tokens": 5, "completion_tokens": len(text)}
    lines = [b"data: " + orjson.dumps(e) for e in [*events, {"choices": [], "usage": usage}]]
    data = b"\r\n\r\n".join([b": ping", *lines, b"data: [DONE]", b""])
    streamed, at = StreamedReply(), 0
    for cut in [*cuts, len(data)]:
        seen = list(streamed.feed(data[at : at + cut]))
        assert all(text.startswith(shown) for shown in seen)
        at += cut
    reply = streamed.reply()
    assert streamed.done
    assert (reply.text, reply.finish_reason, reply.prompt_tokens) == (text, "length", 5)


def test_a_stream_that_ends_early_may_be_tried_again() -> None:
    streamed = StreamedReply()
    list(streamed.feed(b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\n'))
    with pytest.raises(TransientError):
        streamed.reply()
    assert (streamed.aborted().prompt_tokens, streamed.aborted().completion_tokens) == (None, 1)


def test_an_error_inside_a_stream_carries_the_endpoints_words() -> None:
    with pytest.raises(TransientError, match="out of memory"):
        list(StreamedReply().feed(b'data: {"error": {"message": "out of memory"}}\n'))


@pytest.mark.parametrize("status", sorted(openai_faults.TRANSIENT))
def test_overload_and_server_failures_may_be_tried_again(status: int) -> None:
    fault = refused("busy", status, **{"Retry-After": "3"})
    assert isinstance(fault, TransientError)
    assert fault.hold_s == 3
    assert isinstance(fault.error, EngineTimeoutError) == (status in (408, 504))


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (401, EngineUnavailableError, "api_key_env"),
        (403, EngineUnavailableError, "api_key_env"),
        (404, EngineUnavailableError, "base_url and model"),
        (400, EngineError, "extra_body"),
        (413, PromptTooLongError, "shorten"),
        (302, EngineError, "base_url"),
    ],
)
def test_what_no_other_try_mends_says_what_to_do(
    status: int, kind: type[Exception], advice: str
) -> None:
    fault = refused("no", status)
    assert type(fault) is kind or issubclass(type(fault), kind)
    assert advice in str(fault)


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 256 tokens. However, your prompt contains at least "
        "257 input tokens, which exceeds this limit even without any output tokens.",
        "This model's maximum context length is 256 tokens. However, you requested 900 tokens "
        "(400 in the messages, 500 in the completion).",
    ],
)
def test_a_prompt_beyond_the_context_is_told_with_the_numbers(message: str) -> None:
    fault = refused(message)
    assert isinstance(fault, PromptTooLongError)
    assert "context holds 256" in str(fault)


def test_without_numbers_the_endpoints_own_words_are_told() -> None:
    fault = refused("the request exceeds the available context size")
    assert isinstance(fault, PromptTooLongError)
    assert "available context size" in str(fault)


def test_a_reply_that_does_not_fit_is_asked_for_shorter() -> None:
    fault = refused(
        "This model's maximum context length is 256 tokens. However, you requested 300 tokens "
        "(200 in the messages, 100 in the completion)."
    )
    assert isinstance(fault, NoRoomError)
    assert fault.room == 56


def test_an_endpoint_that_asks_to_wait_long_is_given_up_on() -> None:
    fault = refused("come tomorrow", 429, **{"Retry-After": "86400"})
    assert isinstance(fault, EngineError)
    assert "86400" in str(fault)


@pytest.mark.parametrize(("value", "seconds"), [("", 0), ("2.5", 2.5), ("-4", 0), ("soon", 0)])
def test_retry_after_is_seconds(value: str, seconds: float) -> None:
    assert openai_faults.retry_after({"Retry-After": value}) == seconds


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    assert 500 < openai_faults.retry_after({"Retry-After": later}) <= 600


@settings(deadline=None)
@given(st.integers(1, 1000), st.floats(0.001, 10), st.integers())
def test_pauses_grow_at_random_up_to_a_minute(tries: int, first: float, seed: int) -> None:
    pause = openai_faults.pause(tries, first, random.Random(seed))
    assert 0 <= pause <= min(60, first * 2 ** min(tries - 1, 20))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_answer_can_be_so_odd_that_reading_it_raises_anything_else(payload: bytes) -> None:
    with pytest.raises(EngineError):
        openai_wire.decode(payload)
    assert len(openai_faults.error_message(payload)) <= 300
    try:
        list(StreamedReply().feed(b"data: " + payload + b"\n"))
    except (EngineError, TransientError):
        return
