"""A cross-encoder small enough to reason about, in the format of the shipped one.

It holds a claim supported when each of its words occurs in the premise: the first logit is 4 less
8 for every word that does not; the second output is 4 on each such word and -4 on the others.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = (
    "the danube is a river rises in germany and 2850 km long it flows into black sea crosses "
    "austria france was opened 1856 . … mouth lies romania of fish"
).split()
SEP = SPECIAL.index("[SEP]")


def build_overlap_encoder(folder: Path, *, words: bool = True, poison: bool = False) -> Path:
    """Write the model folder; `words` adds the second output, `poison` makes the score NaN."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"format": 1, "max_length": 256, "labels": ["supported"], "version": "test"}
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {word: n for n, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    onnx.save(_graph(words, poison), str(folder / "model.onnx"))
    return folder


def _constant(name: str, value: Any, kind: Any) -> Any:
    return numpy_helper.from_array(np.array(value, dtype=kind), name)


def _graph(words: bool, poison: bool) -> onnx.ModelProto:
    """Segments are told apart by the number of [SEP] before a token: 0 premise, 2 claim."""
    node = helper.make_node
    nodes = [
        node("Equal", ["input_ids", "sep"], ["is_sep"]),
        node("Cast", ["is_sep"], ["sep_count"], to=TensorProto.INT64),
        node("CumSum", ["sep_count", "one_axis"], ["segment"], exclusive=1),
        node("Equal", ["segment", "zero"], ["in_premise"]),
        node("Equal", ["segment", "two"], ["after_context"]),
        node("Not", ["is_sep"], ["is_word"]),
        node("And", ["after_context", "is_word"], ["in_claim"]),
        node("Unsqueeze", ["input_ids", "last_axis"], ["ids_down"]),
        node("Unsqueeze", ["input_ids", "one_axes"], ["ids_across"]),
        node("Equal", ["ids_down", "ids_across"], ["same"]),
        node("Unsqueeze", ["in_premise", "one_axes"], ["premise_across"]),
        node("And", ["same", "premise_across"], ["found"]),
        node("Cast", ["found"], ["found_f"], to=TensorProto.FLOAT),
        node("ReduceMax", ["found_f", "last_axis"], ["held"], keepdims=0),
        node("Cast", ["in_claim"], ["claim_f"], to=TensorProto.FLOAT),
        node("Sub", ["one_f", "held"], ["lacking"]),
        node("Mul", ["lacking", "claim_f"], ["missing"]),
        node("ReduceSum", ["missing", "last_axis"], ["count"], keepdims=0),
        node("Mul", ["count", "eight"], ["penalty"]),
        node("Sub", ["four", "penalty"], ["score"]),
        node("Mul", ["score", "factor"], ["logits"]),
        node("Mul", ["missing", "eight"], ["scaled"]),
        node("Sub", ["scaled", "four"], ["token_logits"]),
    ]
    constants = [
        _constant("sep", SEP, np.int64),
        _constant("one_axis", 1, np.int64),
        _constant("zero", 0, np.int64),
        _constant("two", 2, np.int64),
        _constant("last_axis", [-1], np.int64),
        _constant("one_axes", [1], np.int64),
        _constant("one_f", 1, np.float32),
        _constant("four", 4, np.float32),
        _constant("eight", 8, np.float32),
        _constant("factor", np.nan if poison else 1, np.float32),
    ]
    shape = ["rows", "length"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows"])]
    if words:
        outputs.append(helper.make_tensor_value_info("token_logits", TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, "overlap", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
