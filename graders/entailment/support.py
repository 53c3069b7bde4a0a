"""How likely a source supports each claim of a text: retrieval, then the cross-encoder.

`claim_support` is the whole of it for one claim, so that a text can be judged while it is written.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from graders.entailment.encoding import MAX_CLAIM
from graders.entailment.model import CrossEncoder, Pair, Support, TokenSupport
from graders.entailment.premise import SourceIndex, Window
from graders.entailment.segments import count_pieces
from graders.errors import UngradedError

MAX_SOURCE: Final = 300_000
"""Characters of the longest source that is indexed: bounds memory on hostile input."""
_WORD: Final = re.compile(r"\S+")
_LONGEST_PART: Final = MAX_CLAIM - 16
"""Estimated word-pieces of a claim read at once; the estimate runs low on rare words."""


@lru_cache(maxsize=64)
def index_premises(source: str) -> SourceIndex:
    """The source's windows, cut once. Raises UngradedError for a source that is too long."""
    if len(source) > MAX_SOURCE:
        raise UngradedError(
            f"the source has {len(source):,} characters, the entailment model reads "
            f"{MAX_SOURCE:,} at most: split it"
        )
    return SourceIndex(source)


def claim_support(encoder: CrossEncoder, source: str, claim: str, context: str = "") -> Support:
    """How likely `source` supports one complete sentence; `context` is the sentence before it.

    Raises UngradedError when the model fails or the source is too long.
    """
    [support] = claims_support(encoder, source, [claim], [context])
    return support


def claims_support(
    encoder: CrossEncoder, source: str, claims: Sequence[str], contexts: Sequence[str]
) -> list[Support]:
    """`claim_support` of each claim, in order, in one call of the encoder."""
    index = index_premises(source)
    parts = [
        (place, start, text, before)
        for place, (claim, context) in enumerate(zip(claims, contexts, strict=True))
        for start, text, before in _parts(claim, context)
    ]
    pairs = [Pair(index.premise(text, before).text, text, before) for _, _, text, before in parts]
    found: list[list[tuple[int, Support]]] = [[] for _ in claims]
    for (place, start, _, _), support in zip(parts, encoder.support(pairs), strict=True):
        found[place].append((start, support))
    return [_joined(supports) for supports in found]


def best_window(source: str, claim: str, context: str = "") -> Window | None:
    """The one window of the source that speaks most of a claim; None when it has no words."""
    return next(iter(index_premises(source).best(claim, context, 1)), None)


def _parts(claim: str, context: str) -> Iterator[tuple[int, str, str]]:
    """A claim too long to be read at once, cut at words; each part follows the one before."""
    start, size, end = 0, 0, 0
    for word in _WORD.finditer(claim):
        weight = count_pieces(word[0])
        if size and size + weight > _LONGEST_PART:
            yield start, claim[start:end], context
            start, size, context = word.start(), 0, claim[start:end]
        size, end = size + weight, word.end()
    yield start, claim[start:], context


def _joined(parts: Sequence[tuple[int, Support]]) -> Support:
    """A claim is supported as far as its least supported part."""
    if len(parts) == 1:
        return parts[0][1]
    tokens = [
        TokenSupport(start + token.start, start + token.end, token.probability)
        for start, support in parts
        for token in support.tokens or ()
    ]
    return Support(min(support.probability for _, support in parts), tuple(tokens) or None)
