"""The vllm engine with the shipped model: what the contract does not ask of every engine."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from workers.engines.base import GenerationRequest
from workers.engines.config import VllmConfig
from workers.engines.registry import build_engine
from workers.engines.vllm import VllmEngine
from workers.errors import EngineError, EngineUnavailableError

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="module")]
READ_AT_ONCE = 512
PROMPT = "Name: Saturn\nMoons: 146\nKind: planet"


def ask(seed: int = 1, max_tokens: int = 60) -> GenerationRequest:
    return GenerationRequest(PROMPT, seed, max_tokens=max_tokens)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(vllm_arguments: dict[str, Any]) -> AsyncIterator[VllmEngine]:
    arguments = {**vllm_arguments, "max_num_batched_tokens": READ_AT_ONCE}
    engine = VllmEngine(VllmConfig(max_batch=8, engine_args=arguments))
    await engine.start()
    yield engine
    await engine.aclose()


async def test_prompts_that_begin_alike_are_computed_once(engine: VllmEngine) -> None:
    assert engine._llm.vllm_config.cache_config.enable_prefix_caching


async def test_an_aborted_request_is_gone_from_vllm(engine: VllmEngine) -> None:
    reply = await engine.generate(ask(max_tokens=200), lambda text: False)
    assert reply.finish_reason == "aborted"
    assert 0 < reply.completion_tokens < 20
    assert engine._llm.get_num_unfinished_requests() == 0


async def test_a_cancelled_request_is_gone_from_vllm(engine: VllmEngine) -> None:
    begun = asyncio.Event()

    def watch(text: str) -> bool:
        begun.set()
        return True

    task = asyncio.create_task(engine.generate(ask(max_tokens=200), watch))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert engine._llm.get_num_unfinished_requests() == 0


async def test_a_watcher_that_raises_fails_its_own_request_only(engine: VllmEngine) -> None:
    with pytest.raises(EngineError, match="on_text raised ZeroDivisionError"):
        await engine.generate(ask(), lambda text: 1 / 0 > 0)
    assert engine._llm.get_num_unfinished_requests() == 0
    assert (await engine.generate(ask())).text


async def test_more_prompts_than_are_read_at_once_do_not_end_vllm(engine: VllmEngine) -> None:
    long = [GenerationRequest(f"{n}: " + "7" * 200, n, max_tokens=20) for n in range(8)]
    replies = await asyncio.gather(*(engine.generate(request) for request in long))
    assert sum(reply.prompt_tokens for reply in replies) > 2 * READ_AT_ONCE
    assert all(reply.completion_tokens for reply in replies)


async def test_what_vllm_refuses_is_an_engine_error(engine: VllmEngine) -> None:
    with pytest.raises(EngineError, match="temperature"):
        await engine.generate(GenerationRequest(PROMPT, 1, temperature=-1.0))


async def test_vllm_keeps_its_log_off_standard_output(engine: VllmEngine) -> None:
    streams = [getattr(h, "stream", None) for h in logging.getLogger("vllm").handlers]
    assert streams
    assert sys.stdout not in streams and sys.__stdout__ not in streams


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"tensor_paralel_size": 2}, "did you mean tensor_parallel_size"),
        ({"quantisation": "fp8"}, "did you mean quantization"),
        ({"flux_capacitor": 1}, "vllm serve --help"),
        ({"dtype": "float7"}, "can't load 'winnow-tiny'.*dtype"),
    ],
)
async def test_a_wrong_engine_argument_is_named(given: dict[str, Any], advice: str) -> None:
    engine = build_engine(VllmConfig(engine_args=given))
    with pytest.raises(EngineUnavailableError, match=advice):
        await engine.start()
