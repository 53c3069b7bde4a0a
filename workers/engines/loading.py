"""Loads a checkpoint for the transformers engine, or says in one sentence why it can't be."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import DynamicCache
from transformers.utils import logging as transformers_logging

from workers.engines.config import TransformersConfig
from workers.engines.registry import resolve_model
from workers.errors import EngineUnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to run. `context` counts tokens; `ends` are the tokens that end a reply,
    `stops` those that may end a sentence.
    """

    model: Any
    tokenizer: Any
    context: int
    ends: frozenset[int]
    stops: frozenset[int]


def pick_device(wanted: str) -> torch.device:
    """`auto` is CUDA, else MPS, else the CPU."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and float32 elsewhere."""
    if wanted == "auto":
        wanted = "bfloat16" if device.type == "cuda" else "float32"
    dtype: torch.dtype = getattr(torch, wanted)
    return dtype


def load(config: TransformersConfig) -> Checkpoint:
    """Load and try a checkpoint. Raises EngineUnavailableError."""
    transformers_logging.disable_progress_bar()
    path = resolve_model(config.model)
    options = {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
    tokenizer = _load_tokenizer(config.model, path, options)
    model = _load_model(config, path, options)
    if tokenizer.chat_template is None:
        log.warning("%s has no chat template: prompts go to it as they are", config.model)
    ends = _end_tokens(model, tokenizer)
    text_config = model.config.get_text_config()
    context = getattr(text_config, "max_position_embeddings", None) or tokenizer.model_max_length
    return Checkpoint(model, tokenizer, int(context), ends, _sentence_stops(tokenizer))


def _load_model(config: TransformersConfig, path: str, options: dict[str, Any]) -> Any:
    try:
        device = pick_device(config.device)
        model, report = AutoModelForCausalLM.from_pretrained(
            path, dtype=pick_dtype(config.dtype, device), output_loading_info=True, **options
        )
        if report["missing_keys"]:
            raise ValueError(
                f"weights are missing: {', '.join(sorted(report['missing_keys'])[:3])}"
            )
        model.to(device).eval()
        _try(model)
    except Exception as exc:  # a damaged checkpoint may raise anything
        raise _unavailable(config.model, path, "model", exc) from exc
    return model


def _load_tokenizer(name: str, path: str, options: dict[str, Any]) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        if not tokenizer("a b c", add_special_tokens=False)["input_ids"]:
            raise ValueError("it turns text into no tokens; is tokenizer.json there?")
    except Exception as exc:  # a damaged checkpoint may raise anything
        raise _unavailable(name, path, "tokenizer", exc) from exc
    return tokenizer


def _unavailable(name: str, path: str, part: str, exc: Exception) -> EngineUnavailableError:
    if not Path(path).is_dir() and isinstance(exc, OSError):
        return EngineUnavailableError(
            f"no model {name!r} on this machine, and the Hub has none or can't be reached: check "
            "the name and the network, or give the path of a checkpoint directory"
        )
    reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200]
    return EngineUnavailableError(
        f"the {part} of {name!r} can't be loaded ({reason}): fetch or train it again, or choose "
        "another model, device or dtype"
    )


@torch.inference_mode()
def _try(model: Any) -> None:
    """Two tokens, so that a checkpoint that can't run fails now, not in the first batch."""
    cache = DynamicCache()
    ids = torch.zeros((1, 1), dtype=torch.long, device=model.device)
    for _ in range(2):
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True).logits
    if not math.isfinite(float(logits.float().sum())):
        raise ValueError("its weights hold numbers that are not finite")


def _sentence_stops(tokenizer: Any) -> frozenset[int]:
    """Tokens that close with a full stop or its like, or a line; spaces stand as bytes or marks."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return frozenset(
        token
        for piece, token in vocabulary.items()
        if piece.rstrip(" ▁Ġ").endswith((".", "!", "?", "Ċ", "\n", "<0x0A>"))
    )


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """End tokens by the generation config, the tokenizer and the chat template."""
    ends = {tokenizer.eos_token_id}
    declared = getattr(model.generation_config, "eos_token_id", None)
    ends.update(declared if isinstance(declared, list) else [declared])
    if tokenizer.chat_template is not None:
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "@@@"}]
        tail = tokenizer.apply_chat_template(turns, tokenize=False).rpartition("@@@")[2]
        first = tokenizer(tail.strip(), add_special_tokens=False)["input_ids"][:1]
        ends.update(token for token in first if token in tokenizer.all_special_ids)
    return frozenset(token for token in ends if token is not None)
