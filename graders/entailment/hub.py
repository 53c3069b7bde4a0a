"""Any sequence classifier from the hub or a folder as the cross-encoder: MiniCheck, an NLI model.

The only module of the graders that loads torch; it is imported when the configuration names such
a model.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders.entailment.model import Pair, Support, read_logits
from graders.errors import GraderConfigError, UngradedError

_BATCH: Final = 8
_LONGEST: Final = 512
_SUPPORTED: Final = re.compile(
    r"entail(?:ment|ed|s)?|support(?:ed|s)?|consistent|factual|true|yes", re.IGNORECASE
)
_WORD: Final = re.compile(r"\S+")
_UNNAMED: Final = re.compile(r"LABEL_\d+", re.IGNORECASE)


class HubCrossEncoder:
    """Runs `AutoModelForSequenceClassification` on (premise, claim); contexts are left out.

    Raises GraderConfigError when torch or transformers is missing, when there is no such model,
    or when no label of it plainly means "supported".
    """

    def __init__(self, model: str, threads: int = 0, support_label: str | None = None) -> None:
        self.name = model
        self._torch, self._tokenizer, self._model = _load(model)
        if threads:
            self._torch.set_num_threads(threads)
        labels = dict(self._model.config.id2label or {})
        self._supported = find_support_label(labels, support_label, model)
        self._max_length = _window_of(self._tokenizer, self._model.config)
        self.room = self._max_length - int(self._tokenizer.num_special_tokens_to_add(pair=True))

    def pieces(self, text: str) -> Sequence[tuple[int, int]]:
        """Where the word-pieces of a text begin and end; a slow tokenizer tells only its words."""
        if self._tokenizer.is_fast:
            told = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            offsets: list[tuple[int, int]] = told["offset_mapping"]
            return offsets
        return [
            word.span() for word in _WORD.finditer(text) for _ in self._tokenizer.tokenize(word[0])
        ]

    def support(self, pairs: Sequence[Pair]) -> list[Support]:
        """One Support per pair, in order; run in batches of like length."""
        order = sorted(range(len(pairs)), key=lambda n: len(pairs[n].premise + pairs[n].claim))
        found: dict[int, Support] = {}
        for low in range(0, len(order), _BATCH):
            batch = order[low : low + _BATCH]
            for n, logits in zip(batch, self._logits([pairs[n] for n in batch]), strict=True):
                found[n] = Support(read_logits(logits, self._supported))
        return [found[n] for n in range(len(pairs))]

    def _logits(self, pairs: Sequence[Pair]) -> list[list[float]]:
        try:
            inputs = self._tokenizer(
                [pair.premise for pair in pairs],
                [pair.claim for pair in pairs],
                truncation="only_first",
                max_length=self._max_length,
                padding=True,
                return_tensors="pt",
            )
            with self._torch.inference_mode():
                logits = self._model(**inputs).logits
        except Exception as exc:
            raise UngradedError(f"the entailment model {self.name} failed: {exc}") from exc
        rows: list[list[float]] = logits.float().reshape(len(pairs), -1).tolist()
        return rows


def find_support_label(labels: Mapping[int, str], wanted: str | None, model: str) -> int:
    """The index of the label that means "supported".

    A single label is a score; of two unnamed ones the second is meant (label 1: supported).
    Raises GraderConfigError where the labels leave it open, or lack the one wanted.
    """
    if len(labels) == 1:
        return 0
    folded = {str(label).casefold(): n for n, label in labels.items()}
    if wanted is not None:
        if wanted.casefold() in folded:
            return folded[wanted.casefold()]
        raise GraderConfigError(
            f"{model} has no label {wanted!r}; consistency.support_label may be one of: "
            f"{', '.join(map(str, labels.values()))}"
        )
    named = [n for label, n in folded.items() if _SUPPORTED.fullmatch(label)]
    if len(named) == 1:
        return named[0]
    if len(labels) == 2 and all(_UNNAMED.fullmatch(label) for label in folded):
        return 1
    raise GraderConfigError(
        f"can't tell which label of {model} means supported; set consistency.support_label to one "
        f"of: {', '.join(map(str, labels.values()))}"
    )


def _load(model: str) -> tuple[Any, Any, Any]:
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as exc:
        raise GraderConfigError(
            f"consistency.model = {model!r} needs torch and transformers: "
            "pip install 'winnow[hf]', or use the shipped model 'winnow-entailment'"
        ) from exc
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        loaded = AutoModelForSequenceClassification.from_pretrained(model)
    except (OSError, ValueError, ImportError, RuntimeError) as exc:
        raise GraderConfigError(
            f"consistency.model = {model!r} can't be loaded: {str(exc).splitlines()[0]} "
            "Name a folder or a hub model that is a sequence classifier (a model that needs code "
            "of its own is not run), or 'winnow-entailment'"
        ) from exc
    return torch, tokenizer, loaded.eval()


def _window_of(tokenizer: Any, config: Any) -> int:
    """Tokens that the model can read; some tokenizers claim a practically endless length."""
    lengths = (tokenizer.model_max_length, getattr(config, "max_position_embeddings", _LONGEST))
    return min(_LONGEST, *(int(n) for n in lengths if n and n > 0))
