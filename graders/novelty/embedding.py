"""Embeddings of texts: vectors whose cosine says how alike two texts are in meaning.

MiniLM-L6 through ONNX Runtime. A text longer than the model reads is cut into pieces, and its
vector is their mean.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graders.errors import GraderConfigError
from graders.novelty.minilm import (
    MODEL_VERSION,
    discard,
    missing,
    model_folder,
    quantised_model,
)
from graders.ort import import_onnxruntime

Vectors: TypeAlias = NDArray[np.float32]
Inputs: TypeAlias = dict[str, NDArray[np.int64]]
DIMENSIONS = 384
MOST_PIECES = 256
"""Word pieces that the model was trained to read at once."""
MOST_WINDOWS = 8
_BATCH_PIECES = 4096

log = logging.getLogger(__name__)


class Embedder(Protocol):
    """Maps texts to unit vectors; `version` changes whenever the vectors would."""

    version: str

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class MiniLm:
    """The Embedder of the extra `semantic`; safe to share among threads.

    Reimers & Gurevych 2019: mean of the last hidden states, scaled to length one. What else is in
    its batch moves a vector a little (cosine about .995), since 8-bit activations share a scale.
    """

    version = MODEL_VERSION

    def __init__(self, threads: int = 0) -> None:
        """Raises GraderConfigError when the model is not installed or can't be loaded."""
        from tokenizers import Tokenizer

        onnxruntime = import_onnxruntime()
        path = quantised_model()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # The cores are the engine's too: threads that wait must not keep them busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:
            discard(path)
            raise GraderConfigError(
                f"the embedding model {path} is damaged and was removed; try again"
            ) from exc
        self._tokenizer: Any = Tokenizer.from_file(str((model_folder() or path) / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_PIECES)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 of shape (texts, 384), of the texts' first 2,048 word pieces."""
        sums = np.zeros((len(texts), DIMENSIONS), np.float32)
        for rows, inputs in self.batches(texts):
            (hidden,) = self.session.run(None, inputs)
            weight = inputs["attention_mask"][:, :, None].astype(np.float32)
            np.add.at(sums, rows, _unit((hidden * weight).sum(axis=1)))
        return _unit(sums)

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Inputs]]:
        """What the model reads: pieces of texts of like length, and which text each is of."""
        encoded = self._tokenizer.encode_batch([text[: MOST_WINDOWS * 4000] for text in texts])
        windows = [
            (row, window.ids)
            for row, encoding in enumerate(encoded)
            for window in [encoding, *encoding.overflowing[: MOST_WINDOWS - 1]]
        ]
        windows.sort(key=lambda window: len(window[1]))
        start = 0
        while start < len(windows):
            end = _batch_end(windows, start)
            rows, ids = zip(*windows[start:end], strict=True)
            yield list(rows), _padded(ids)
            start = end


def _padded(ids: Sequence[Sequence[int]]) -> Inputs:
    longest = max(map(len, ids))
    tokens = np.zeros((len(ids), longest), np.int64)
    mask = np.zeros((len(ids), longest), np.int64)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return {"input_ids": tokens, "attention_mask": mask}


def _batch_end(windows: Sequence[tuple[int, Sequence[int]]], start: int) -> int:
    """Windows of like length go together, up to 4,096 word pieces.

    Padding is not only waste: activations are quantised by the largest of their batch.
    """
    longest = len(windows[start][1]) * 5 // 4 + 4
    most = start + max(1, _BATCH_PIECES // longest)
    end = start + 1
    while end < min(most, len(windows)) and len(windows[end][1]) <= longest:
        end += 1
    return end


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, 1e-12)
    return scaled


_lock = threading.Lock()


@lru_cache(maxsize=1)
def _shared() -> MiniLm:
    return MiniLm()


def shared_embedder() -> Embedder:
    """The one MiniLM of this process, loaded at the first call. Raises GraderConfigError."""
    with _lock:
        return _shared()


def embedder_for(wanted: Literal["auto"] | bool) -> Callable[[], Embedder] | None:
    """How to get the embedder that `novelty.semantic` asks for; None when there is to be none.

    Raises GraderConfigError when one is demanded and not installed. "auto" does without, and
    says so in the log.
    """
    if wanted is False:
        return None
    lack = missing()
    if lack is None:
        return shared_embedder
    if wanted is True:
        raise GraderConfigError(f"novelty.semantic is true, but {lack}")
    log.info("semantic novelty is off: %s", lack)
    return None
