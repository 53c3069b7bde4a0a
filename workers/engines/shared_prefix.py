"""What prompts begin with alike: found, so that the model reads it once for all of them.

The questions about one text share their instructions and labels, the draws about one source their
whole prompt (prefix sharing: Kwon et al. 2023, section 4.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

LEAST_SAVED = 256
"""Tokens; a second pass costs about as much as reading so many, even on a CPU."""
KNOWN = frozenset(
    "falcon gemma gpt2 gpt_neox granite llama mistral mixtral olmo2 opt phi phi3 qwen2 qwen3 "
    "qwen3_moe".split()
)
"""Model types whose texts the tests hold against those of prompts read whole."""


@dataclass(frozen=True, slots=True)
class Family:
    """Prompts, by their places, that share their first `length` tokens; 0 for a loner."""

    places: tuple[int, ...]
    length: int


def find_families(prompts: Sequence[list[int]]) -> list[Family]:
    """Of the ways to cut the sorted prompts into runs, the one that saves most tokens.

    Neighbours in that order share most. The last token of a prompt is never shared: what follows it
    is what is asked for.
    """
    order = sorted(range(len(prompts)), key=lambda place: prompts[place])
    alike = [_alike(prompts[a], prompts[b]) for a, b in pairwise(order)]
    saved, begin = [0], [0]
    for end in range(1, len(order) + 1):
        best, start, shared = saved[end - 1], end - 1, len(prompts[order[end - 1]]) - 1
        for low in range(end - 2, -1, -1):
            shared = min(shared, alike[low], len(prompts[order[low]]) - 1)
            if shared <= 0:
                break
            gain = saved[low] + shared * (end - low - 1)
            if gain > best:
                best, start = gain, low
        saved.append(best)
        begin.append(start)
    families = []
    end = len(order)
    while end:
        low = begin[end]
        length = min([*alike[low : end - 1], *(len(prompts[p]) - 1 for p in order[low:end])])
        families.append(Family(tuple(order[low:end]), length if end - low > 1 else 0))
        end = low
    return families[::-1]


def is_worth_it(families: Sequence[Family], lengths: Sequence[int]) -> bool:
    """Whether two passes, padding included, read enough fewer tokens than one."""
    heads = [family.length for family in families if family.length]
    tails = (lengths[p] - family.length for family in families for p in family.places)
    whole = len(lengths) * max(lengths)
    shared = len(heads) * max(heads, default=0) + len(lengths) * max(tails)
    return bool(heads) and whole - shared >= max(LEAST_SAVED, whole / 4)


def shares_prefixes(config: Any) -> bool:
    """Whether it is known that a model goes by `position_ids` alone, and attends to all before.

    Some count the columns of the cache instead, padding too: ALiBi in MPT, windows in GPT-Neo.
    """
    config = config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    return config.model_type in KNOWN and kinds == {"full_attention"} and not window


def spread(cache: Cache, owners: Tensor) -> DynamicCache:
    """Row n gets the keys and values of `cache`'s row owners[n]."""
    spread = DynamicCache()
    for number, layer in enumerate(cache.layers):
        spread.update(layer.keys[owners], layer.values[owners], number)
    return spread


def close_gaps(cache: Cache, tails: Tensor, columns: int, longest: int) -> None:
    """Make each row's two parts one.

    The head of row n ends at column `columns`, its tail of tails[n] columns at the last; they
    become one run that ends at the last of `longest` columns.
    """
    width = cache.layers[0].keys.shape[2]
    back = torch.arange(longest, 0, -1, device=tails.device).unsqueeze(0)
    in_tail = back <= tails.unsqueeze(1)
    origin = torch.where(in_tail, width - back, columns + tails.unsqueeze(1) - back)
    origin = origin.clamp(min=0)[:, None, :, None]
    for layer in cache.layers:
        shape = (-1, layer.keys.shape[1], -1, layer.keys.shape[3])
        layer.keys = layer.keys.gather(2, origin.expand(shape))
        shape = (-1, layer.values.shape[1], -1, layer.values.shape[3])
        layer.values = layer.values.gather(2, origin.expand(shape))


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
