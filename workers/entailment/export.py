"""Writes the trained cross-encoder as the grader loads it: int8 ONNX, tokenizer, configuration.

Matrix weights are quantised per output channel, word vectors per word: with one scale for all,
MiniLM's outputs drift too far.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from graders.entailment.encoding import MAX_LENGTH
from workers.entailment.labelled import FILES
from workers.entailment.network import CrossEncoder

FORMAT: Final = 1
INPUTS: Final = ("ids", "mask", "types")
OUTPUTS: Final = ("claim", "tokens")
OPSET: Final = 17
MADE: Final = ("corrupted documents", "corrupted responses", "fact sheets", "place records")
"""What training reads beside the labelled sets."""


class Int8Words(nn.Module):
    """A word table in int8 with one scale per word; exports as gather, cast, multiply."""

    table: Tensor
    scale: Tensor

    def __init__(self, words: Tensor) -> None:
        super().__init__()
        scale = words.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        self.register_buffer("table", torch.round(words / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        return self.table[ids].to(torch.float32) * self.scale[ids]


class _Traced(nn.Module):
    """The cross-encoder spelt out for tracing: no mask helpers, no branches."""

    def __init__(self, model: CrossEncoder, quantised: bool) -> None:
        super().__init__()
        self.embeddings = model.encoder.embeddings
        self.layers = model.encoder.encoder.layer
        self.claim_head, self.token_head = model.claim_head, model.token_head
        words = self.embeddings.word_embeddings.weight.detach()
        self.words: nn.Module = Int8Words(words) if quantised else self.embeddings.word_embeddings

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        table = self.embeddings
        places = torch.arange(ids.shape[1], device=ids.device)
        states = self.words(ids) + table.position_embeddings(places)
        states = table.LayerNorm(states + table.token_type_embeddings(types))
        hidden = (1.0 - mask[:, None, None, :].to(states.dtype)) * -1e4
        for layer in self.layers:
            states = _layer(layer, states, hidden)
        second = (types > 0).unsqueeze(-1).to(states.dtype)
        mean = (states * second).sum(1) / second.sum(1).clamp(min=1.0)
        claim = self.claim_head(torch.cat([states[:, 0], mean], dim=-1)).squeeze(-1)
        return claim, self.token_head(states).squeeze(-1)


def _layer(layer: Any, states: Tensor, hidden: Tensor) -> Tensor:
    """One post-norm encoder layer (Devlin et al. 2019, section 3), attention written out."""
    own = layer.attention.self
    heads, size = int(own.num_attention_heads), int(own.attention_head_size)
    rows, length = states.shape[:2]

    def split(x: Tensor) -> Tensor:
        return x.reshape(rows, length, heads, size).transpose(1, 2)

    query, key, value = (split(f(states)) for f in (own.query, own.key, own.value))
    weights = query @ key.transpose(2, 3) / size**0.5 + hidden
    mixed = (weights.softmax(-1) @ value).transpose(1, 2).reshape(rows, length, heads * size)
    out = layer.attention.output
    states = out.LayerNorm(out.dense(mixed) + states)
    inner = nn.functional.gelu(layer.intermediate.dense(states))
    normed: Tensor = layer.output.LayerNorm(layer.output.dense(inner) + states)
    return normed


def export(model: CrossEncoder, base: Path, out: Path, facts: Mapping[str, Any]) -> None:
    """Writes `model.onnx` (int8), `tokenizer.json` and `config.json` into `out`.

    `base` lends the tokenizer; `facts` go into the configuration as they are. Weights keep
    seven bits (`reduce_range`): with eight, sums overflow on x86 without VNNI.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plain, ready, small = (
            Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "small")
        )
        write_onnx(model, plain, quantised_words=True)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_dynamic(
            ready,
            small,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        shutil.copy(small, out / "model.onnx")
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"truncation": None, "padding": None}
    _write(out / "tokenizer.json", tokenizer)
    config = {
        "format": FORMAT,
        "max_length": MAX_LENGTH,
        "labels": ["supported"],
        "languages": ["en"],
        "trained_on": [*FILES, *MADE],
    }
    _write(out / "config.json", {**config, **facts})


def write_onnx(model: CrossEncoder, path: Path, quantised_words: bool) -> None:
    """The network as float ONNX with free row and length axes."""
    example = torch.ones(2, 12, dtype=torch.long)
    example[:, :4] = torch.tensor([[5, 6, 7, 8]])
    axes = {name: {0: "rows", 1: "length"} for name in (*INPUTS, OUTPUTS[1])}
    traced = _Traced(model, quantised_words).to("cpu").eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            traced,
            (example, torch.ones_like(example), example % 2),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={**axes, OUTPUTS[0]: {0: "rows"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
