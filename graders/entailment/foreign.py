"""Counts the names and numbers of a text that its source nowhere has.

Models seldom invent in the words of their source: what a summary adds of its own gives it away
(novel entities and numbers: Nan et al. 2021, "Entity-level Factual Consistency"). `pooling` learns
how much each tells.
"""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Final

from graders.entailment.premise import term_of

_WORD: Final = re.compile(r"[^\W\d_]+")
_NUMBER: Final = re.compile(r"(?<![^\W_])\d[\d.,]*")
_DIGITS: Final = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Foreign:
    """How many different names and numbers are foreign to the source.

    `names` are capitalised within a sentence and have a stem that the source lacks; `unwritten`
    are those whose letters it lacks, too, even within another word.
    """

    names: int = 0
    unwritten: int = 0
    numbers: int = 0


def find_foreign(text: str, source: str, known: Set[str]) -> Foreign:
    """Count what is foreign in a text; `known` are the terms of its source (`find_terms`)."""
    names = {name.lower() for name in _names(text)}
    numbers = set(map(_plain, _NUMBER.findall(text)))
    letters = source.lower()
    return Foreign(
        len({term_of(name) for name in names} - known),
        sum(name not in letters for name in names),
        len(numbers - _numbers_of(source)) if numbers else 0,
    )


def _numbers_of(source: str) -> set[str]:
    """Its numbers, those within words too."""
    return set(map(_plain, _NUMBER.findall(source) + _DIGITS.findall(source)))


def _names(text: str) -> Iterator[str]:
    """Capitalised words that no sentence begins with."""
    for word in _WORD.finditer(text):
        before = text[max(0, word.start() - 2) : word.start()].rjust(2)
        inside = before[1] == " " and (before[0].islower() or before[0] in ",;")
        if inside and len(word[0]) > 1 and word[0][0].isupper() and term_of(word[0]):
            yield word[0]


def _plain(number: str) -> str:
    return number.rstrip(".,").replace(",", "")
