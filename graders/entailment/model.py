"""The cross-encoder that says how likely a premise supports a claim, run by ONNX Runtime.

Each pair is run alone: int8 activations are scaled per run, so a batch-mate would change a score.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from math import exp, isfinite
from os import cpu_count
from pathlib import Path
from typing import Any, Final, Protocol

from graders.entailment.encoding import MARKS, Encoding, encode, pad
from graders.errors import GraderConfigError, UngradedError
from graders.ort import import_onnxruntime

SHIPPED: Final = "winnow-entailment"
SHIPPED_FOLDER: Final = Path(__file__).parent / "model"
FORMAT: Final = 1
FILES: Final = ("config.json", "tokenizer.json", "model.onnx")
_AGAIN: Final = (
    "restore the folder, train it with `winnow train-grader --out FOLDER`, or set "
    "consistency.model to another cross-encoder, or to null for rules alone"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A claim, what it is held against, and the sentence before it, for its pronouns."""

    premise: str
    claim: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class TokenSupport:
    """The probability that claim[start:end] is supported."""

    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class Support:
    """The probability that a claim is supported; `tokens` when the model speaks of words, too."""

    probability: float
    tokens: tuple[TokenSupport, ...] | None = None


class CrossEncoder(Protocol):
    """Reads premise and claim together. `support` is safe to call from several threads.

    It answers in the order of the pairs and raises UngradedError when it can't.
    """

    name: str

    def support(self, pairs: Sequence[Pair]) -> list[Support]: ...


class MeasuringEncoder(CrossEncoder, Protocol):
    """A cross-encoder that says how much it reads at once, in its own word-pieces.

    `room` is how many it takes of premise, context and claim together.
    """

    room: int

    def pieces(self, text: str) -> Sequence[tuple[int, int]]:
        """Where the word-pieces of a text begin and end."""
        ...


def folder_of(model: str) -> Path:
    """Where a model lies, if it is a folder at all; a name on the hub gives a path to nothing."""
    return SHIPPED_FOLDER if model == SHIPPED else Path(model).expanduser()


@cache
def weights_of(model: str) -> str:
    """What tells one set of weights from another: a digest of a folder's files, or a hub name."""
    folder = folder_of(model)
    if not folder.is_dir():
        return model
    digest = blake2b(digest_size=4)
    for path in sorted(folder.iterdir()):
        if path.suffix in (".onnx", ".json", ".safetensors"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def load_encoder(
    model: str, threads: int = 0, support_label: str | None = None
) -> MeasuringEncoder:
    """The shipped model, a folder of `winnow train-grader`, or a sequence classifier by its path
    or its name on the hub; each is loaded once per process.

    `threads` is how many claims are read at once; 0 takes every core. `support_label` names the
    label that means "supported" where the model's own configuration does not make it plain.
    Raises GraderConfigError when there is no such model or it can't be read.
    """
    folder = folder_of(model)
    onnx = model == SHIPPED or (folder / FILES[2]).is_file()
    key = (str(folder.resolve()) if onnx else model, threads, None if onnx else support_label)
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = _load_onnx(folder, threads) if onnx else _load_hub(*key)
        return _LOADED[key]


_LOADED: Final[dict[tuple[str, int, str | None], MeasuringEncoder]] = {}
_LOADING: Final = threading.Lock()


def _load_onnx(folder: Path, threads: int) -> MeasuringEncoder:
    return OnnxCrossEncoder(folder, threads)


def _load_hub(model: str, threads: int, support_label: str | None) -> MeasuringEncoder:
    from graders.entailment.hub import HubCrossEncoder

    return HubCrossEncoder(model, threads, support_label)


class OnnxCrossEncoder:
    """A folder with `config.json`, `tokenizer.json` and `model.onnx`."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.name = folder.name if folder != SHIPPED_FOLDER else SHIPPED
        config = _read_config(folder)
        self._max_length = int(config["max_length"])
        self.room = self._max_length - MARKS
        self._supported = _supported_index(config.get("labels", ["supported"]))
        self._tokenizer = _load_tokenizer(folder / FILES[1])
        self._session = _load_session(folder / FILES[2])
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._workers = ThreadPoolExecutor(threads or cpu_count() or 1, "entailment")

    def pieces(self, text: str) -> Sequence[tuple[int, int]]:
        """Where the word-pieces of a text begin and end."""
        offsets: list[tuple[int, int]] = self._tokenizer.encode(
            text, add_special_tokens=False
        ).offsets
        return offsets

    def support(self, pairs: Sequence[Pair]) -> list[Support]:
        """One Support per pair, in order.

        Raises UngradedError when the model fails and for a claim that it can't read to its end.
        """
        if len(pairs) == 1:
            return [self._support(pairs[0])]
        return list(self._workers.map(self._support, pairs))

    def _support(self, pair: Pair) -> Support:
        try:
            row = encode(self._tokenizer, pair.premise, pair.context, pair.claim, self._max_length)
            if row.unread:
                raise ValueError(f"{row.unread} word-pieces of a claim are beyond what it reads")
            batch = pad([row])
            given = dict(zip(self._inputs, (batch.ids, batch.mask, batch.types), strict=True))
            logits, *words = self._session.run(None, given)
        except Exception as exc:
            raise UngradedError(f"the entailment model failed: {exc}") from exc
        probability = read_logits([float(x) for x in logits.reshape(-1)], self._supported)
        if not words:
            return Support(probability)
        return Support(probability, _tokens(row, [float(x) for x in words[0].reshape(-1)]))


def read_logits(logits: Sequence[float], supported: int) -> float:
    """The probability of "supported": sigmoid of a single logit, softmax of several.

    Raises UngradedError for anything that is not a finite number.
    """
    if not logits or not all(map(isfinite, logits)):
        raise UngradedError("the entailment model gave no finite score")
    if len(logits) == 1:
        return _sigmoid(logits[0])
    top = max(logits)
    weights = [exp(x - top) for x in logits]
    return weights[supported] / sum(weights)


def _tokens(row: Encoding, logits: Sequence[float]) -> tuple[TokenSupport, ...]:
    """What the second output says of the claim's tokens: logits of being unsupported."""
    own = logits[row.claim_start : row.claim_start + len(row.offsets)]
    return tuple(
        TokenSupport(low, high, _sigmoid(-logit))
        for (low, high), logit in zip(row.offsets, own, strict=True)
    )


def _read_config(folder: Path) -> Mapping[str, Any]:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise GraderConfigError(
            f"the entailment model in {folder} lacks {', '.join(missing)}: {_AGAIN}"
        )
    try:
        config = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
        given = config.get("format")
        int(config["max_length"])
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise GraderConfigError(f"{folder / FILES[0]} is damaged ({exc!r}): {_AGAIN}") from exc
    if given != FORMAT:
        raise GraderConfigError(
            f"the entailment model in {folder} has format {given!r}, this version reads "
            f"{FORMAT}: {_AGAIN}"
        )
    return dict(config)


def _supported_index(labels: Sequence[str]) -> int:
    if "supported" not in labels:
        raise GraderConfigError(f"the model's labels {list(labels)} lack 'supported': {_AGAIN}")
    return list(labels).index("supported")


def _load_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:
        raise GraderConfigError(f"{path} is damaged ({exc}): {_AGAIN}") from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _load_session(path: Path) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise GraderConfigError(f"{path} is damaged ({exc}): {_AGAIN}") from exc


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else 1 - 1 / (1 + exp(x))
