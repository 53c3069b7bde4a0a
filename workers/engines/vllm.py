"""Engine `vllm`: vLLM's asynchronous engine in this process, with continuous batching.

vLLM runs its scheduler and workers in processes of its own; this module renders prompts, hands
them over, and aborts single requests.
"""

import asyncio
import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from graders.busy_time import BusyTime
from workers.engines import vllm_loading
from workers.engines.base import FinishReason, Generation, GenerationRequest, OnText
from workers.engines.config import VllmConfig
from workers.engines.in_flight import InFlight
from workers.errors import (
    EngineDiedError,
    EngineError,
    EngineUnavailableError,
    PromptTooLongError,
)

log = logging.getLogger(__name__)

LEAST_ROOM = 16
"""A prompt that leaves fewer tokens than this for the reply is too long."""
STREAM_EVERY = 8
"""Tokens between two calls of a request's `on_text`."""
SHUTDOWN_S = 10.0
"""Before vLLM's processes are killed. They free what they hold in a few seconds, but in 0.32 on a
CPU the engine's process then stays, so that this is also how long closing takes.
"""


class VllmEngine:
    """See workers.engines.base.Engine. Building it imports vLLM; `start` loads the model."""

    def __init__(self, config: VllmConfig) -> None:
        vllm_loading.import_vllm()
        self.model = config.model
        self.concurrency = config.max_batch
        self._config = config
        self._busy = BusyTime()
        self._in_flight = InFlight()
        self._ids = itertools.count()
        self._tokenizing: ThreadPoolExecutor | None = None
        self._llm: Any = None
        self._tokenizer: Any = None
        self._context = 0

    async def start(self) -> None:
        """Load the model; minutes for a large one. Raises EngineUnavailableError."""
        if self._llm is not None:
            return
        llm = await asyncio.to_thread(vllm_loading.load, self._config)
        self._tokenizer = llm.get_tokenizer()
        self._context = llm.model_config.max_model_len
        if self._tokenizer.chat_template is None:
            log.warning("%s has no chat template: prompts go to it as they are", self.model)
        self._tokenizing = ThreadPoolExecutor(1, "winnow-tokenizer")
        self._llm = llm

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        """One reply; `on_text` is called about every eight tokens, in the event loop."""
        llm = self._llm
        if llm is None:
            raise EngineUnavailableError("the engine is not running: call start() first")
        async with self._in_flight.request():
            loop = asyncio.get_running_loop()
            tokens = await loop.run_in_executor(self._tokenizing, self._encode, request.prompt)
            room = self._room(request, len(tokens))
            with self._busy.request() as seconds:
                text, reason, count = await self._run(llm, request, tokens, room, on_text)
                return Generation(text, reason, len(tokens), count, seconds())

    async def aclose(self) -> None:
        """End vLLM's processes; requests still in flight fail with EngineError."""
        llm, self._llm = self._llm, None
        if llm is not None:
            await self._in_flight.aclose()
            if self._tokenizing is not None:
                self._tokenizing.shutdown(wait=False)
            if llm.output_handler is not None:
                llm.output_handler.cancel()
            await asyncio.to_thread(llm.shutdown, SHUTDOWN_S)

    def _encode(self, prompt: str) -> list[int]:
        """The prompt as tokens, under the chat template. Raises EngineError."""
        try:
            special = self._tokenizer.chat_template is None
            if not special:
                prompt = self._tokenizer.apply_chat_template(
                    [{"role": "user", "content": prompt}],
                    tokenize=False,
                    add_generation_prompt=True,
                )
            tokens: list[int] = self._tokenizer.encode(prompt, add_special_tokens=special)
        except Exception as exc:  # a chat template may raise anything
            raise EngineError(f"the prompt can't be encoded: {exc!r}") from exc
        return tokens

    def _room(self, request: GenerationRequest, prompt_tokens: int) -> int:
        """The most tokens that the reply may have. Raises PromptTooLongError."""
        room = self._context - prompt_tokens
        if room < min(LEAST_ROOM, request.max_tokens):
            raise PromptTooLongError(
                f"the prompt has {prompt_tokens} tokens and the model's context holds "
                f"{self._context}, prompt and reply together: shorten the source"
            )
        return min(room, request.max_tokens)

    async def _run(
        self,
        llm: Any,
        request: GenerationRequest,
        tokens: list[int],
        room: int,
        on_text: OnText | None,
    ) -> tuple[str, FinishReason, int]:
        """The text, why it ended, and its tokens. Raises EngineError."""
        from vllm.exceptions import VLLMError
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError

        name = f"winnow-{next(self._ids)}"
        text, count, reason = "", 0, None
        try:
            sampling = _sampling(request, room, watched=on_text is not None)
            # closing the generator before its end aborts the request
            given = tokens_input(tokens)
            written = llm.generate(given, sampling, name, priority=0 if request.urgent else 1)
            async with aclosing(written) as outputs:
                async for output in outputs:
                    [piece] = output.outputs
                    text += piece.text
                    count += len(piece.token_ids)
                    reason = piece.finish_reason
                    if on_text and not output.finished and not _show(on_text, text):
                        return text, "aborted", count
        except EngineDeadError as exc:
            raise EngineDiedError("vLLM's engine process has died: see its log") from exc
        except (VLLMError, ValueError) as exc:
            cause = exc.__cause__ or exc
            raise EngineError(f"vLLM refused or failed the request: {cause}") from exc
        if reason not in ("stop", "length"):
            raise EngineError(f"vLLM ended the text with {reason!r}: see its log")
        return text, reason, count


def _sampling(request: GenerationRequest, room: int, *, watched: bool) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = request.json_schema
    structured = None if schema is None else StructuredOutputsParams(json=dict(schema))

    return SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed % 2**63,
        max_tokens=room,
        stop=list(request.stop),
        output_kind=RequestOutputKind.DELTA if watched else RequestOutputKind.FINAL_ONLY,
        stream_interval=STREAM_EVERY if watched else None,
        structured_outputs=structured,
    )


def _show(on_text: OnText, text: str) -> bool:
    try:
        return on_text(text)
    except Exception as exc:  # a caller's function may raise anything
        raise EngineError(f"on_text raised {exc!r}") from exc
