"""How likely a source supports each claim of a text: retrieval, then the cross-encoder.

`claim_support` is the whole of it for one claim, so that a text can be judged while it is written.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from graders.entailment.encoding import MAX_CLAIM, MAX_CONTEXT
from graders.entailment.model import MeasuringEncoder, Pair, Support, TokenSupport
from graders.entailment.premise import BUDGET, SourceIndex, Window
from graders.entailment.segments import count_pieces
from graders.errors import UngradedError
from graders.sized_cache import SizedCache

MAX_SOURCE: Final = 300_000
"""Characters of the longest source that is indexed: bounds memory on hostile input."""
_KEPT: Final = 1 << 26
"""Bytes of all the indexes that are kept."""
_LONGEST_WORD: Final = 99
"""Characters of the longest word that a BERT tokenizer reads; a longer one is unknown to it."""


def index_premises(source: str) -> SourceIndex:
    """The source's windows, cut once. Raises UngradedError for a source that is too long."""
    if len(source) > MAX_SOURCE:
        raise UngradedError(
            f"the source has {len(source):,} characters, the entailment model reads "
            f"{MAX_SOURCE:,} at most: split it"
        )
    return _INDEXES.get(source)


_INDEXES: Final = SizedCache(SourceIndex, lambda index: index.nbytes, _KEPT)


def claim_support(encoder: MeasuringEncoder, source: str, claim: str, context: str = "") -> Support:
    """How likely `source` supports one complete sentence; `context` is the sentence before it.

    Raises UngradedError when the model fails, and where it can't read claim and source whole.
    """
    [support] = claims_support(encoder, source, [claim], [context])
    return support


def claims_support(
    encoder: MeasuringEncoder, source: str, claims: Sequence[str], contexts: Sequence[str]
) -> list[Support]:
    """`claim_support` of each claim, in order, in one call of the encoder."""
    index = index_premises(source)
    parts = [
        (place, start, text, before)
        for place, (claim, context) in enumerate(zip(claims, contexts, strict=True))
        for start, text, before in _parts(encoder, claim, context)
    ]
    pairs = [
        Pair(_premise(encoder, index, text, before), text, before) for _, _, text, before in parts
    ]
    found: list[list[tuple[int, Support]]] = [[] for _ in claims]
    for (place, start, _, _), support in zip(parts, encoder.support(pairs), strict=True):
        found[place].append((start, support))
    return [_joined(supports) for supports in found]


def best_window(source: str, claim: str, context: str = "") -> Window | None:
    """The one window of the source that speaks most of a claim; None when it has no words."""
    return next(iter(index_premises(source).best(claim, context, 1)), None)


def _premise(encoder: MeasuringEncoder, index: SourceIndex, claim: str, context: str) -> str:
    """The premise of a claim, of as many windows as the encoder reads whole beside it."""
    room = encoder.room - len(encoder.pieces(claim))
    room -= min(MAX_CONTEXT, len(encoder.pieces(context))) if context else 0
    budget = BUDGET
    while True:
        premise = index.premise(claim, context, budget).text
        over = len(encoder.pieces(premise)) - room
        if over <= 0:
            return premise
        if budget <= 0:
            raise UngradedError(
                f"a passage of the source has {over} word-pieces more than the entailment model "
                "reads beside a claim: break its long words or lines"
            )
        budget = max(0, min(budget, count_pieces(premise)) - over)


def _parts(encoder: MeasuringEncoder, claim: str, context: str) -> Iterator[tuple[int, str, str]]:
    """A claim too long to be read at once, cut at words; each part follows the one before."""
    most = min(MAX_CLAIM, (encoder.room - MAX_CONTEXT) // 2)
    pieces = encoder.pieces(claim) if len(claim) > min(most, _LONGEST_WORD) else ()
    if any(end - start > _LONGEST_WORD for start, end in pieces):
        raise UngradedError(
            f"a word of over {_LONGEST_WORD} characters, which the entailment model can't read"
        )
    first, start = 0, 0
    while len(pieces) - first > most:
        first = _next_part(claim, pieces, first, first + most)
        end = pieces[first][0]
        yield start, claim[start:end].rstrip(), context
        start, context = end, claim[start:end].rstrip()
    yield start, claim[start:], context


def _next_part(claim: str, pieces: Sequence[tuple[int, int]], first: int, last: int) -> int:
    """The last piece up to `last` before which there is white space; else `last` itself."""
    words = (n for n in range(last, first, -1) if claim[pieces[n][0] - 1].isspace())
    return next(words, last)


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
