"""A model from the hub or a folder as the cross-encoder: MiniCheck, HHEM 1.0, an NLI model.

The only module of the graders that loads torch; it is imported when the configuration names such
a model.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders.entailment.model import Pair, Support, folder_of, read_logits
from graders.errors import GraderConfigError, UngradedError

_BATCH: Final = 8
_LONGEST: Final = 512
_SUPPORTED: Final = re.compile(
    r"entail(?:ment|ed|s)?|support(?:ed|s)?|consistent|factual|true|yes", re.IGNORECASE
)
_WORD: Final = re.compile(r"\S+")
_UNNAMED: Final = re.compile(r"LABEL_\d+", re.IGNORECASE)
_PROMPT: Final = "predict: "
_ANSWERS: Final = {0: "0", 1: "1"}
"""What MiniCheck-Flan-T5 is asked with, and what it answers (Tang et al. 2024, "MiniCheck")."""
_ANSWERED: Final = 0.5
"""A T5 that puts less of its probability on these two answers was trained for something else."""
_OTHERS: Final = (
    "Name a folder or a hub model that is a trained sequence classifier, such as "
    "lytang/MiniCheck-RoBERTa-Large or an NLI model (one that needs code of its own is not run: "
    "of HHEM take vectara/hallucination_evaluation_model@hhem-1.0-open), or 'winnow-entailment'"
)


class HubCrossEncoder:
    """Runs `AutoModelForSequenceClassification` on (premise, claim); contexts are left out.

    `model` is a folder, or a hub name, with `@` and a revision if need be. A T5 that writes its
    answer is asked as MiniCheck-Flan-T5 is. Raises GraderConfigError when torch or transformers is
    missing, when there is no such model or it lacks weights, or when no label of it plainly means
    "supported".
    """

    def __init__(self, model: str, threads: int = 0, support_label: str | None = None) -> None:
        self.name = model
        self._torch, self._tokenizer, self._model = _load(model)
        if threads:
            self._torch.set_num_threads(threads)
        writes = _writes(self._model.config)
        labels = _ANSWERS if writes else dict(self._model.config.id2label or {})
        wanted = support_label or (_ANSWERS[1] if writes else None)
        self._supported = find_support_label(labels, wanted, model)
        self._prompt = _PROMPT if writes else ""
        self._answers = [self._first_token(word) for word in _ANSWERS.values()] if writes else None
        self._max_length = _window_of(self._tokenizer, self._model.config)
        marks = int(self._tokenizer.num_special_tokens_to_add(pair=True))
        self.room = self._max_length - marks - len(self.pieces(self._prompt))

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
                [self._prompt + pair.premise for pair in pairs],
                [pair.claim for pair in pairs],
                truncation="only_first",
                max_length=self._max_length,
                padding=True,
                return_tensors="pt",
            )
            with self._torch.inference_mode():
                logits = self._answer(inputs) if self._answers else self._model(**inputs).logits
        except Exception as exc:
            raise UngradedError(f"the entailment model {self.name} failed: {exc}") from exc
        rows: list[list[float]] = logits.float().reshape(len(pairs), -1).tolist()
        return rows

    def _answer(self, inputs: Mapping[str, Any]) -> Any:
        """The logits of the two answers as the first token that the model would write."""
        begin = self._model.config.decoder_start_token_id
        begins = self._torch.full((len(inputs["input_ids"]), 1), begin)
        logits = self._model(**inputs, decoder_input_ids=begins).logits[:, 0].float()
        if float(logits.softmax(-1)[:, self._answers].sum(-1).min()) < _ANSWERED:
            raise ValueError("it answers neither 0 nor 1, as T5 models trained as MiniCheck do")
        return logits[:, self._answers]

    def _first_token(self, word: str) -> int:
        return int(self._tokenizer(word, add_special_tokens=False)["input_ids"][0])


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
        from transformers import (
            AutoConfig,
            AutoModelForSeq2SeqLM,
            AutoModelForSequenceClassification,
            AutoTokenizer,
        )
    except ImportError as exc:
        raise GraderConfigError(
            f"consistency.model = {model!r} needs torch and transformers: "
            "pip install 'winnow[hf]', or use the shipped model 'winnow-entailment'"
        ) from exc
    name, revision = _name_and_revision(model)
    options = {"revision": revision, "trust_remote_code": False}
    try:
        writes = _writes(AutoConfig.from_pretrained(name, **options))
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        kind = AutoModelForSeq2SeqLM if writes else AutoModelForSequenceClassification
        loaded, report = kind.from_pretrained(name, output_loading_info=True, **options)
    except (OSError, ValueError, ImportError, RuntimeError) as exc:
        told = (str(exc).splitlines() or [type(exc).__name__])[0]
        if "tiktoken" in told:  # what transformers asks for where sentencepiece is missing
            told += " Or rather: pip install sentencepiece."
        raise GraderConfigError(
            f"consistency.model = {model!r} can't be loaded: {told} {_OTHERS}"
        ) from exc
    if missing := sorted(report["missing_keys"]):
        raise GraderConfigError(
            f"consistency.model = {model!r} lacks the weights {', '.join(missing[:4])}, so its "
            f"answers would be chance. {_OTHERS}"
        )
    if "minicheck" in model.casefold():
        _join_by_one_mark(tokenizer)
    return torch, tokenizer, loaded.eval()


def _name_and_revision(model: str) -> tuple[str, str | None]:
    """A folder as it is; a hub name, and what stands after its `@`."""
    if (folder := folder_of(model)).is_dir():
        return str(folder), None
    name, _, revision = model.partition("@")
    return name, revision or None


def _writes(config: Any) -> bool:
    """Whether a model writes its answer, rather than choose among labels."""
    return config.model_type in ("t5", "mt5") and any(
        name.endswith("ForConditionalGeneration") for name in config.architectures or ()
    )


def _join_by_one_mark(tokenizer: Any) -> None:
    """MiniCheck was trained with one mark between both texts; RoBERTa's tokenizer puts two."""
    first, mark = tokenizer.cls_token, tokenizer.sep_token
    if not tokenizer.is_fast or not first or not mark:
        return
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A {mark}",
        pair=f"{first} $A {mark} $B {mark}",
        special_tokens=[(first, tokenizer.cls_token_id), (mark, tokenizer.sep_token_id)],
    )


def _window_of(tokenizer: Any, config: Any) -> int:
    """Tokens that the model can read; some tokenizers claim a practically endless length."""
    lengths = (tokenizer.model_max_length, getattr(config, "max_position_embeddings", _LONGEST))
    return min(_LONGEST, *(int(n) for n in lengths if n and n > 0))
