"""Copying from the source: how long a passage was taken over word for word."""

from typing import Final

from graders.novelty.ngrams import longest_shared, share_run
from graders.novelty.shingles import words_with_offsets
from graders.novelty.word_hashes import hash_words
from graders.sized_cache import SizedCache
from graders.source_kind import kind_of
from graders.types import Evidence, Source

LONGEST_QUOTE = 300
"""Characters of a copied passage that the evidence quotes."""
_HASHED: Final = SizedCache(lambda text: hash_words([text]).hashes, lambda it: it.nbytes, 1 << 24)
"""The words of sources: many texts are written about each."""


def copied_from_source(text: str, source: Source, limit: int, offset: int = 0) -> Evidence | None:
    """The longest passage of `text` that the source has too, if it is over `limit` words (0: any).

    The offsets of the evidence are those in `text`, moved by `offset`, as for `novelty_grade`.
    Passages are compared as words, without case and punctuation. A word problem may be repeated
    by a longer text, which solves it.
    """
    if not limit or min(len(text), len(source.text)) <= limit:
        return None
    own, theirs = hash_words([text]).hashes, _HASHED.get(source.text)
    if not share_run(own, theirs, limit + 1):
        return None
    if len(own) > len(theirs) and kind_of(source.text) == "problem":
        return None
    first, length = longest_shared(own, theirs)
    places = words_with_offsets(text)
    start, end = places[first][1], places[first + length - 1][2]
    shown = min(end, start + LONGEST_QUOTE)
    return Evidence(
        quote=text[start:shown],
        reason=f"copied from the source: {length} words in a row, {length / len(own):.0%} "
        f"of the text; at most {limit} are allowed",
        start=start + offset if offset >= 0 else None,
        end=shown + offset if offset >= 0 else None,
        against=f"{source.id}: the same words",
    )
