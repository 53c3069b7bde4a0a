"""Words that mean the same, and words that could stand in their place but mean something else.

Read off the word vectors of the checkpoint that training starts from: very near words are mostly
synonyms ("movie", "film"), less near ones are of the same field ("afternoon", "midnight").
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

SAME: Final = 0.65
"""Cosine from which two words count as synonyms, unless they are known opposites."""
OTHER: Final = (0.30, 0.46)
"""Cosines between which a word is mostly of the same field, but another; now and then it is a loose
synonym ("announced", "revealed")."""
LEAST_LETTERS: Final = 4
NEAREST: Final = 40
_ENDING = re.compile(r"(?:ed|ing|ly|ness|ion|s|er|est|y)$")


@dataclass(frozen=True, slots=True)
class Likes:
    """Of one word: its synonyms, and words of its kind that mean something else."""

    same: Sequence[str]
    other: Sequence[str]


Wording = Callable[[str], Likes]


def no_wording(word: str) -> Likes:
    """Knows no word's likes."""
    return Likes((), ())


def read_wording(tokenizer: Tokenizer, vectors: NDArray[np.float32]) -> Wording:
    """The likes of lower-case English words, from one vector per token, shape (vocabulary, width).

    A word's likes end alike and begin with other letters, so that they fit its place.
    """
    words = {
        token: number
        for token, number in tokenizer.get_vocab().items()
        if token.isascii() and token.isalpha() and len(token) >= LEAST_LETTERS
    }
    names = sorted(words)
    table = vectors[[words[name] for name in names]]
    table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    place = {name: i for i, name in enumerate(names)}

    @lru_cache(maxsize=20_000)
    def likes(word: str) -> Likes:
        at = place.get(word)
        if at is None:
            return Likes((), ())
        cosines = table @ table[at]
        best = np.argsort(-cosines)[1 : NEAREST + 1]
        fit = [(names[i], float(cosines[i])) for i in best if _fits(names[i], word)]
        low, high = OTHER
        return Likes(
            [name for name, cosine in fit if cosine >= SAME],
            [name for name, cosine in fit if low <= cosine <= high],
        )

    return likes


def _fits(name: str, word: str) -> bool:
    return name[:LEAST_LETTERS] != word[:LEAST_LETTERS] and _ending(name) == _ending(word)


def _ending(word: str) -> str:
    found = _ENDING.search(word)
    return found[0] if found else ""
