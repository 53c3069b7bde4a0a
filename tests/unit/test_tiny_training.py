"""Training winnow-tiny, at toy size: an ordinary checkpoint, the same from the same seed."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from workers.tiny.corpus.rows import compose_rows
from workers.tiny.muon import orthogonalised
from workers.tiny.train import STATE_FILE, TrainConfig, train

TOY = TrainConfig(
    steps=4,
    batch_tokens=512,
    vocab_size=400,
    hidden_size=32,
    layers=1,
    heads=2,
    intermediate_size=32,
    warmup_steps=1,
    log_every=2,
    save_every=2,
)


@pytest.fixture(autouse=True)
def few_tokenizer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.tiny.train.TOKENIZER_ROWS", 50)
    monkeypatch.setattr("workers.tiny.train.HELD_OUT_ROWS", 8)


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (list(islice(compose_rows(s, "train"), 20)) for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(TOY, tmp_path / name)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)
    train(replace(TOY, seed=1), tmp_path / "three")
    assert not torch.equal(
        one["model.embed_tokens.weight"], weights(tmp_path / "three")["model.embed_tokens.weight"]
    )


def test_what_comes_out_is_an_ordinary_checkpoint_with_a_chat_template(tmp_path: Path) -> None:
    train(TOY, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Compute."}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|begin|><|user|>Compute.<|end|><|assistant|>"
    assert tokenizer.decode(tokenizer("12 + 3")["input_ids"]) == "12 + 3"
    assert model.config.architectures == ["LlamaForCausalLM"]
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert not (tmp_path / STATE_FILE).exists()


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple of 12"):
        TrainConfig(hidden_size=320)


def test_digits_are_tokens_of_their_own(tmp_path: Path) -> None:
    train(TOY, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert [tokenizer.decode(token) for token in tokenizer("1984")["input_ids"]] == list("1984")


def test_an_interrupted_run_is_resumed_where_it_was_saved(tmp_path: Path) -> None:
    class InterruptionError(Exception):
        pass

    def interrupt(entry: dict[str, Any]) -> None:
        if entry["step"] == 4:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train(TOY, tmp_path, interrupt)
    seen: list[int] = []
    train(TOY, tmp_path, lambda entry: seen.append(entry["step"]))
    assert min(seen) > 2
    assert max(seen) == 4


def test_a_run_of_other_sizes_is_not_resumed(tmp_path: Path) -> None:
    def interrupt(entry: dict[str, Any]) -> None:
        if entry["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TOY, tmp_path, interrupt)
    with pytest.raises(ValueError, match=f"steps {TOY.steps}"):
        train(replace(TOY, steps=TOY.steps + 2), tmp_path)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 4, 16), (2, 16, 4)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.4
