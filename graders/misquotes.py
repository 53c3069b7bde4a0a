"""Finds the one word that a text exchanges where it else repeats its source word for word."""

import re
from collections.abc import Container, Sequence
from fractions import Fraction
from typing import Final

from graders.claims import Claim
from graders.grounding import Finding, check_claim
from graders.quantities import find_quantities
from graders.source_index import STOPWORDS, Index, stems, words_of

_BEFORE_A_THING: Final = frozenset("a an the one each every all some more of these those".split())
LEAST_REPEATED: Final = 5
MOST_REPEATED: Final = 60
"""Words of the shortest and the longest sentence that counts as a repetition of the source's."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")


def check_claim_of_problem(
    claim: Claim, index: Index, computed: Container[Fraction]
) -> list[Finding]:
    """As `check_claim`; a claim to which that has no objection may still misquote the problem."""
    findings = check_claim(claim, index, computed)
    misquote = None if findings else misquoted(claim, index)
    return [misquote] if misquote else findings


def misquoted(claim: Claim, index: Index) -> Finding | None:
    """The one word that a sentence has in place of another, where it else repeats the source's.

    A name, or a word that counts or points at a thing: a verb may come in another tense. The answer
    to a question does not repeat it.
    """
    folded = [word.casefold() for word in words_of(claim.text)]
    if not LEAST_REPEATED <= len(folded) <= MOST_REPEATED:
        return None
    for line in index.lines:
        written = words_of(line.text)[-len(folded) :]
        told = [word.casefold() for word in written]
        if len(told) != len(folded) or line.text.endswith("?") != claim.text.endswith("?"):
            continue
        others = [n for n, word in enumerate(folded) if word != told[n]]
        if len(others) != 1 or not _is_exchanged(folded, written, others[0], index):
            continue
        word = [*_WORD.finditer(claim.text)][others[0]]
        reason = f"the source, which this repeats, says {told[others[0]]!r}"
        return Finding(word[0], word.start(), reason, line)
    return None


def _is_exchanged(folded: Sequence[str], written: Sequence[str], place: int, index: Index) -> bool:
    """Whether the word there is none of the source's, and stands for a name or a thing in it."""
    word, told = folded[place], written[place]
    if word in index.words or STOPWORDS & {word, told.casefold()} or stems(word) & stems(told):
        return False
    if find_quantities(word) or find_quantities(told):
        return False
    before = folded[place - 1] if place else ""
    return told[0].isupper() or before in _BEFORE_A_THING or bool(find_quantities(before))
