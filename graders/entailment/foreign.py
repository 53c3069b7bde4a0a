"""Counts the names of a text that its source nowhere has.

A summary that names what its source does not is seldom faithful (novel entities: Nan et al. 2021,
"Entity-level Factual Consistency"). `pooling` learns how much a foreign name tells.
"""

import re
from collections.abc import Iterator, Set
from typing import Final

from graders.entailment.premise import term_of

_WORD: Final = re.compile(r"[^\W\d_]+")


def count_foreign_names(text: str, known: Set[str]) -> int:
    """How many different names of a text are no term of its source; `known` are those
    (`find_terms`).
    """
    return len({term_of(name) for name in _names(text)} - known)


def _names(text: str) -> Iterator[str]:
    """Capitalised words that no sentence begins with."""
    for word in _WORD.finditer(text):
        before = text[max(0, word.start() - 2) : word.start()].rjust(2)
        inside = before[1] == " " and (before[0].islower() or before[0] in ",;")
        if inside and len(word[0]) > 1 and word[0][0].isupper() and term_of(word[0]):
            yield word[0]
