"""Prompts that begin alike are read once, and nothing else is different for it."""

import random
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import (  # noqa: E402
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
)
from transformers.cache_utils import DynamicCache  # noqa: E402

from workers.engines.base import GenerationRequest  # noqa: E402
from workers.engines.decoding import Row, RunningBatch  # noqa: E402
from workers.engines.shared_prefix import (  # noqa: E402
    KNOWN,
    Family,
    find_families,
    is_worth_it,
    shares_prefixes,
)
from workers.engines.text_stream import TextStream  # noqa: E402

VOCABULARY = 50
prompts_of_two_tokens = st.lists(
    st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=1, max_size=6
)


def saved(families: Sequence[Family]) -> int:
    return sum(family.length * (len(family.places) - 1) for family in families)


def most_saved(ordered: list[list[int]]) -> int:
    """By trying every cut."""
    best = 0
    for size in range(1, len(ordered) + 1):
        run = ordered[:size]
        shared = min(map(len, run)) - 1
        while len({tuple(prompt[:shared]) for prompt in run}) > 1:
            shared -= 1
        best = max(best, shared * (size - 1) + most_saved(ordered[size:]))
    return best


@given(prompts_of_two_tokens)
def test_the_best_cut_of_the_sorted_prompts_is_found(prompts: list[list[int]]) -> None:
    families = find_families(prompts)
    assert sorted(p for family in families for p in family.places) == list(range(len(prompts)))
    for family in families:
        assert len({tuple(prompts[p][: family.length]) for p in family.places}) == 1
        assert all(family.length < len(prompts[p]) for p in family.places)
    assert saved(families) == most_saved(sorted(prompts))


def test_a_little_that_is_shared_is_not_worth_two_passes() -> None:
    alike, apart = [[1] * 300 + [n] for n in range(4)], [[1, n] * 150 for n in range(4)]
    assert is_worth_it(find_families(alike), [301] * 4)
    assert not is_worth_it(find_families(apart), [300] * 4)
    assert not is_worth_it(find_families([prompt[-30:] for prompt in alike]), [30] * 4)
    assert not is_worth_it(find_families([[1, 2]]), [2])


def batch() -> RunningBatch:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return RunningBatch(LlamaForCausalLM(config).eval(), frozenset())


@torch.inference_mode()
def test_logits_and_cache_are_those_of_prompts_read_whole() -> None:
    rng = random.Random(1)

    def tokens(count: int) -> list[int]:
        return [rng.randrange(VOCABULARY) for _ in range(count)]

    heads = [tokens(n) for n in (40, 25, 33)]
    prompts = [heads[n % 3] + tokens(rng.randint(1, 12)) for n in range(11)]
    prompts += [tokens(9), list(prompts[0]), prompts[1][:20]]
    families = find_families(prompts)
    assert sum(family.length > 0 for family in families) == 3
    assert any(family.length == 0 for family in families)
    whole = DynamicCache()
    running = batch()
    expected = running._read(prompts, whole)
    logits, cache = running._read_families(prompts, families)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    for layer, same in zip(cache.layers, whole.layers, strict=True):
        assert layer.keys.shape == same.keys.shape
        for row, prompt in enumerate(prompts):
            for given_part, part in ((layer.keys, same.keys), (layer.values, same.values)):
                torch.testing.assert_close(
                    given_part[row, :, -len(prompt) :],
                    part[row, :, -len(prompt) :],
                    atol=1e-5,
                    rtol=1e-4,
                )


SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
GPT = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
OTHERS = {
    "gpt2": GPT,
    "opt": {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "gpt_neox": {k: v for k, v in SMALL.items() if k not in ("num_key_value_heads", "head_dim")},
    "falcon": {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}
    | {"num_attention_heads": 4, "multi_query": True, "new_decoder_architecture": False},
    "mistral": {**SMALL, "sliding_window": None},
    "qwen3_moe": {**SMALL, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "mixtral": {**SMALL, "num_local_experts": 4, "sliding_window": None},
    "phi": {k: v for k, v in SMALL.items() if k != "head_dim"},
    "phi3": {**SMALL, "sliding_window": None},
}


def row(prompt: list[int], tokens: int = 12) -> Row:
    request = GenerationRequest("", 1, tokens, temperature=0.0)
    return Row(request, list(prompt), tokens, TextStream(None, []), None, Future())


def greedy(model: Any, prompts: list[list[int]], *, shares: bool) -> list[list[int]]:
    running = RunningBatch(model, frozenset())
    running._shares = shares
    rows = [row(prompt) for prompt in prompts]
    running.join(rows, running.prefill(rows))
    while not all(row.finish for row in rows):
        running.step()
    return [row.tokens for row in rows]


@pytest.mark.parametrize("kind", sorted(KNOWN))
@torch.inference_mode()
def test_known_models_write_what_they_write_alone(kind: str) -> None:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **OTHERS.get(kind, SMALL)))
    model.eval()
    assert shares_prefixes(model.config)
    rng = random.Random(4)
    head = [rng.randrange(1, VOCABULARY) for _ in range(120)]
    prompts = [[*head, *(rng.randrange(1, VOCABULARY) for _ in range(n))] for n in (3, 9, 27, 14)]
    families = find_families(prompts)
    assert is_worth_it(families, list(map(len, prompts)))
    alone = [greedy(model, [prompt], shares=False)[0] for prompt in prompts]
    assert greedy(model, prompts, shares=True) == alone


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(sliding_window=16),
        AutoConfig.for_model("mpt"),
        AutoConfig.for_model("gpt_neo"),
        AutoConfig.for_model("gemma3_text"),
    ],
)
def test_other_models_read_each_prompt_whole(config: Any) -> None:
    assert not shares_prefixes(config)
