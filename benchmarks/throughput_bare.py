"""The bare engines: what the same texts cost where nothing of Winnow is around them."""

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.throughput_work import Measured, Work, said
from workers.engines.base import GenerationRequest
from workers.engines.config import TransformersConfig, VllmConfig
from workers.errors import EngineError, EngineUnavailableError


class Transformers:
    """`model.generate` on padded batches, as its own documentation batches."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._checkpoint: Any = None

    async def start(self) -> None:
        from workers.engines.loading import load

        config = self._work.config()
        assert isinstance(config, TransformersConfig)
        self._checkpoint, self._rows = load(config), config.max_batch
        self._checkpoint.tokenizer.padding_side = "left"

    async def measure(self, arm: str, count: int) -> Measured:
        import torch

        requests = self._work.requests(count)
        torch.manual_seed(self._work.seed)
        began, cpu, tokens = time.perf_counter(), time.process_time(), 0
        try:
            with torch.inference_mode():
                for low in range(0, count, self._rows):
                    tokens += self._generate(requests[low : low + self._rows])
        except RuntimeError as exc:  # no memory, or the device's own
            raise EngineError(f"model.generate failed: {said(exc)}") from exc
        cpu = time.process_time() - cpu
        return Measured(count, time.perf_counter() - began, tokens, cpu)

    def _generate(self, requests: Sequence[GenerationRequest]) -> int:
        tokenizer, model = self._checkpoint.tokenizer, self._checkpoint.model
        turns = [[{"role": "user", "content": request.prompt}] for request in requests]
        inputs = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        ).to(model.device)
        first = requests[0]
        out = model.generate(
            **inputs,
            do_sample=True,
            temperature=first.temperature,
            top_p=first.top_p,
            max_new_tokens=first.max_tokens,
            pad_token_id=tokenizer.pad_token_id,
        )[:, inputs["input_ids"].shape[1] :]
        tokenizer.batch_decode(out, skip_special_tokens=True)
        return sum(_until_end(row, self._checkpoint.ends) for row in out.tolist())


class Vllm:
    """`vllm.LLM.generate` with all prompts at once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._llm: Any = None

    async def start(self) -> None:
        from workers.engines import vllm_loading
        from workers.engines.registry import resolve_model

        config = self._work.config()
        assert isinstance(config, VllmConfig)
        vllm_loading.import_vllm()
        from vllm import LLM

        path, arguments = resolve_model(config.model), vllm_loading.arguments(config)
        try:
            self._llm = LLM(path, max_num_seqs=config.max_batch, **arguments)
        except Exception as exc:  # a checkpoint or a driver may raise anything
            raise EngineUnavailableError(
                f"vllm.LLM can't load {config.model!r}: {said(exc)}"
            ) from exc

    async def measure(self, arm: str, count: int) -> Measured:
        from vllm import SamplingParams

        requests = self._work.requests(count)
        sampling = [
            SamplingParams(
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed % 2**63,
                max_tokens=request.max_tokens,
                stop=list(request.stop),
            )
            for request in requests
        ]
        began, cpu = time.perf_counter(), time.process_time()
        turns: Any = [[{"role": "user", "content": request.prompt}] for request in requests]
        try:
            outputs = self._llm.chat(turns, sampling, use_tqdm=False)
        except Exception as exc:  # an engine that dies may raise anything
            raise EngineError(f"vllm.LLM failed: {said(exc)}") from exc
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        cpu = time.process_time() - cpu
        return Measured(count, time.perf_counter() - began, tokens, cpu)


def _until_end(tokens: Sequence[int], ends: frozenset[int]) -> int:
    """Tokens up to the first that ends the reply, itself included."""
    return next((n for n, token in enumerate(tokens, 1) if token in ends), len(tokens))
