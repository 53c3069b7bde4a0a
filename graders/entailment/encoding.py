"""Lays out a premise, the sentence before a claim, and the claim as the cross-encoder's input.

`[CLS] premise [SEP] context [SEP] claim [SEP]`: training and grading share this one layout. The
segment ids also tell the encoder which words of the claim the premise holds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import punctuation
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH: Final = 256
MAX_CONTEXT: Final = 32
"""Word-pieces kept of the context, its last ones."""
MAX_CLAIM: Final = 96
"""Word-pieces read of a claim, its first ones."""
PREMISE, UNMATCHED, MATCHED = 0, 1, 2
"""Segment ids; the context counts as unmatched."""
SEGMENTS: Final = 3
MARKS: Final = 4
"""Word-pieces that a row has beside its texts."""
_MARKS: Final = frozenset(punctuation)
_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=[^\W\d_]{3})(?:ing|ed|es|s|ly|d)$")


@dataclass(frozen=True, slots=True)
class Encoding:
    """Token ids, segment ids, and where the claim's tokens lie.

    ids[claim_start : claim_start + len(offsets)] are the claim's tokens; offsets[i] is the i-th
    one's (start, end) in the claim. `unread` counts those of its tokens that did not fit.
    """

    ids: list[int]
    types: list[int]
    claim_start: int
    offsets: list[tuple[int, int]]
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """int64 arrays of one shape (rows, longest row), padded with zeros on the right."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    types: NDArray[np.int64]


def encode(
    tokenizer: Any, premise: str, context: str, claim: str, max_length: int = MAX_LENGTH
) -> Encoding:
    """One row; a premise that does not fit loses its end, and so does a claim (`unread`).

    `tokenizer` is a `tokenizers.Tokenizer` of the BERT family without truncation or padding.
    """
    begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    said = tokenizer.encode(claim, add_special_tokens=False)
    before = tokenizer.encode(context, add_special_tokens=False).ids[-MAX_CONTEXT:]
    claim_ids = said.ids[:MAX_CLAIM]
    room = max_length - len(claim_ids) - len(before) - MARKS
    read = tokenizer.encode(premise, add_special_tokens=False).ids[: max(room, 0)]
    first = [begin, *read, end]
    second = [*before, end]
    ids = [*first, *second, *claim_ids, end]
    held = {_stem(word[0]) for word in _WORD.finditer(premise)} | _MARKS
    matches = [
        MATCHED if _stem(claim[low:high]) in held else UNMATCHED
        for low, high in _word_spans(said)[:MAX_CLAIM]
    ]
    types = [PREMISE] * len(first) + [UNMATCHED] * len(second) + matches + [UNMATCHED]
    unread = max(0, len(said.ids) - MAX_CLAIM)
    return Encoding(ids, types, len(first) + len(second), said.offsets[:MAX_CLAIM], unread)


def _stem(word: str) -> str:
    return _ENDING.sub("", word.lower())


def _word_spans(encoded: Any) -> list[tuple[int, int]]:
    """For each token the span of the word it is a piece of."""
    spans: dict[int, tuple[int, int]] = {}
    for word, (low, high) in zip(encoded.word_ids, encoded.offsets, strict=True):
        spans[word] = (spans.get(word, (low, high))[0], high)
    return [spans[word] for word in encoded.word_ids]


def pad(rows: Sequence[Encoding]) -> Batch:
    """The rows as one batch."""
    longest = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = row.ids
        mask[i, : len(row.ids)] = 1
        types[i, : len(row.types)] = row.types
    return Batch(ids, mask, types)
