"""The throughput benchmark's own sums, and its checkpoints with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.throughput import scaling_table, summarise, table
from benchmarks.throughput_arms import ABORTS, BARE, ENGINE, OFF, ON, Work
from benchmarks.throughput_model import architecture, write_dummy

WORK = Work({"kind": "transformers", "model": "winnow-tiny"}, "essay", 10, 0)


def run(tokens: int, asked: int = 0, **fields: Any) -> dict[str, Any]:
    """One run of two seconds."""
    measured = {"candidates": 10, "seconds": 2.0, "tokens": tokens, "asked_tokens": asked}
    rest = {"cpu_seconds": 1.0, "accepted": 5, "grader_seconds": 0.2, "first_sample": None}
    return {**measured, **rest, "engine_seconds": 2.0, "gpu_busy": None, **fields}


def test_rates_are_medians_and_ratios_are_within_a_run() -> None:
    measured = {
        BARE: [run(100), run(300), run(200)],
        ENGINE: [run(200), run(600), run(400)],
        OFF: [run(200), run(600), run(400)],
        ON: [run(100, 80), run(300, 240), run(200, 160)],
        ABORTS: [run(100, first_sample=0.5), run(300), run(200)],
    }
    rows = summarise(measured)
    assert rows[BARE]["tokens_per_s"] == 100
    assert rows[ENGINE]["of_bare"] == 2
    assert rows[OFF]["overhead"] == pytest.approx(0)
    assert rows[ON]["of_bare"] == 1 and rows[ON]["overhead"] == pytest.approx(0.1)
    assert rows[ABORTS]["first_sample_s"] == 0.5
    written = table(WORK, rows)
    assert written.count("\n") == 7 and "| 10.0% " in written


def test_efficiency_is_against_what_the_cores_allow() -> None:
    lines = scaling_table({1: [run(100)], 2: [run(180)], 4: [run(190)]}, units=2).splitlines()
    assert lines[2:] == [
        "| 1 | 50 | 1.00 | 100% |",
        "| 2 | 90 | 1.80 | 90% |",
        "| 4 | 95 | 1.90 | 95% |",
    ]


def test_a_dummy_has_the_architectures_sizes_and_a_token_for_every_output(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 4000,
    }
    (tmp_path / "small.json").write_text(json.dumps(config))
    folder = write_dummy(f"dummy:{tmp_path}/small.json", tmp_path / "out", weights=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert model.config.hidden_size == 32 and model.get_output_embeddings().out_features == 4000
    assert len(tokenizer) == 4000
    assert all(tokenizer.decode([token]).strip() for token in range(3072, 4000))
    assert max(tokenizer("Name: The Danube\nLength: 2850 km")["input_ids"]) < 3072


def test_an_architecture_that_is_not_there_is_told_with_those_that_are() -> None:
    assert architecture("dummy:llama-3.1-8b").name == "llama-3.1-8b.json"
    with pytest.raises(ValueError, match=r"llama-3\.1-8b, qwen3-8b"):
        architecture("dummy:nothing")
