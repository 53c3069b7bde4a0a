"""The words of many texts at once, as 64-bit hashes, without a Python object per word.

The same words as `shingles.words` gives one by one; a test holds the two together. Hashes are the
same in every process and on every machine.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from graders.novelty.shingles import NUMBER_WORDS, plain, words

U64: TypeAlias = NDArray[np.uint64]
_OTHER, _LETTER, _DIGIT, _APOSTROPHE, _POINT, _OPERATOR, _SPACE = range(7)
_BETWEEN_WORDS, _BETWEEN_TEXTS = "\x01", "\x00"
_MULTIPLIER = 0x9E3779B97F4A7C15
_INVERSE = pow(_MULTIPLIER, -1, 1 << 64)
_WEIGHTS_KEPT = 1 << 18
_PLAIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+(?:[.,]\d+)*|[-+*/^=<>%]", re.ASCII)
_DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")


@dataclass(frozen=True, slots=True)
class HashedTexts:
    """The words of n texts: those of text i stand in `offsets[i]` to `offsets[i + 1]`.

    `hashes` uint64 and `numbers` bool have one entry a word, `offsets` int64 has n + 1.
    """

    hashes: U64
    numbers: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many words each text has."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> NDArray[np.int64]:
        """To which text each word belongs."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def hash_words(texts: Sequence[str]) -> HashedTexts:
    """Split and hash all texts in one pass over their bytes."""
    joined = _BETWEEN_TEXTS.join([*map(_as_read, texts), ""]).encode("utf-8", "surrogatepass")
    raw = np.frombuffer(joined, np.uint8)
    tokens, dropped = _token_bytes(raw)
    start = _starts(tokens)
    number = tokens[start] == _DIGIT
    offsets = np.zeros(len(texts) + 1, np.int64)
    offsets[1:] = np.searchsorted(start, np.flatnonzero(raw == 0))
    values = _BYTE_VALUES[raw * (tokens > 0)]
    if len(dropped):
        values = np.delete(values, dropped)
        start = start - np.searchsorted(dropped, start)
    hashes = fold(values, start)
    number |= _is_number_word(hashes)
    return HashedTexts(hashes, number, offsets)


def mix(values: U64) -> U64:
    """Spread 64-bit values evenly: the finaliser of SplitMix64 (Steele et al. 2014, figure 16)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def fold(values: U64, starts: NDArray[np.int64]) -> U64:
    """One hash for each run of values, in their order; runs begin at `starts`, none is empty."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    # Every value is weighted by its place among all; each run then takes out that of its start.
    up, down = weights(len(values))
    return mix(np.add.reduceat(values * up, starts) * down[starts])


def _as_read(text: str) -> str:
    """A text whose bytes can be split: as it is, or its words where they are not all ASCII."""
    if not text.isascii():
        text = plain(text)
        if not text.isascii():
            return "".join(_spelled_out(word) + _BETWEEN_WORDS for word in words(text))
    return text.replace(_BETWEEN_TEXTS, " ") if _BETWEEN_TEXTS in text else text


def _spelled_out(word: str) -> str:
    """A word that reads as one word, byte by byte; others in letters that stand for their bytes."""
    if _PLAIN_WORD.fullmatch(word):
        return word
    return word.encode("utf-8", "surrogatepass").hex().translate(_DIGITS_TO_LETTERS)


def _token_bytes(raw: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Which bytes belong to a token (0: none; else its kind); which bytes a number leaves out."""
    tokens = _TOKEN_KIND[raw]
    kinds = _KIND[raw]
    apostrophes = np.flatnonzero(kinds == _APOSTROPHE)
    tokens[apostrophes[_stand_between(kinds, apostrophes, _LETTER)]] = _LETTER
    points = np.flatnonzero(kinds == _POINT)
    points = points[_stand_between(kinds, points, _DIGIT)]
    tokens[points] = _DIGIT
    operators = np.flatnonzero(kinds == _OPERATOR)
    if len(operators):
        solid = np.flatnonzero(kinds != _SPACE)
        following = raw[solid[np.searchsorted(solid, operators, side="right")]]
        applies = (_KIND[following] == _DIGIT) | (following == ord("(")) | (following == 1)
        tokens[operators[applies]] = _OPERATOR
    return tokens, _thousands_commas(kinds, points[raw[points] == ord(",")])


def _stand_between(kinds: NDArray[np.uint8], at: NDArray[np.int64], kind: int) -> NDArray[np.bool_]:
    """Which of these bytes have one of this kind on both sides. The last byte of all is a NUL."""
    joins: NDArray[np.bool_] = (kinds[at - 1] == kind) & (kinds[at + 1] == kind)
    return joins


def _thousands_commas(kinds: NDArray[np.uint8], commas: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of these commas between digits those before exactly three."""
    commas = commas[commas + 4 < len(kinds)]
    digits = [kinds[commas + n] == _DIGIT for n in (2, 3, 4)]
    before_three: NDArray[np.int64] = commas[digits[0] & digits[1] & ~digits[2]]
    return before_three


def _starts(tokens: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where tokens begin: a change of kind; each operator stands alone."""
    first = tokens != 0
    first[1:] &= (tokens[1:] != tokens[:-1]) | (tokens[1:] == _OPERATOR)
    return np.flatnonzero(first)


def weights(count: int) -> tuple[U64, U64]:
    """Powers of an odd number and of its inverse modulo 2**64."""
    if count > len(_WEIGHTS[0]):
        return _powers(_MULTIPLIER, count), _powers(_INVERSE, count)
    return _WEIGHTS[0][:count], _WEIGHTS[1][:count]


def _powers(base: int, count: int) -> U64:
    return np.cumprod(np.full(count, base, np.uint64), dtype=np.uint64)


def _is_number_word(hashes: U64) -> NDArray[np.bool_]:
    maybe = _NUMBER_WORD_FILTER[hashes & np.uint64(0xFFFF)]
    found: NDArray[np.bool_] = maybe
    if maybe.any():
        found = maybe.copy()
        found[maybe] = np.isin(hashes[maybe], _NUMBER_WORD_HASHES)
    return found


def _kind_of_byte(value: int) -> int:
    char = chr(value)
    if value >= 0x80:
        return _OTHER
    if char.isalpha():
        return _LETTER
    if char.isdigit():
        return _DIGIT
    if char.isspace():
        return _SPACE
    return {"'": _APOSTROPHE, ".": _POINT, ",": _POINT}.get(
        char, _OPERATOR if char in "-+*/^=<>%" else _OTHER
    )


_KIND = np.array([_kind_of_byte(value) for value in range(256)], np.uint8)
_TOKEN_KIND = np.where((_KIND == _LETTER) | (_KIND == _DIGIT), _KIND, 0).astype(np.uint8)
_LOWER = np.array([ord(chr(n).lower()) if n < 0x80 else n for n in range(256)], np.uint64)
_BYTE_VALUES = np.where(_LOWER > 0, mix(_LOWER * np.uint64(_MULTIPLIER)), np.uint64(0))
_WEIGHTS = _powers(_MULTIPLIER, _WEIGHTS_KEPT), _powers(_INVERSE, _WEIGHTS_KEPT)
_NUMBER_WORD_FILTER = np.zeros(1 << 16, np.bool_)
_NUMBER_WORD_HASHES = np.zeros(0, np.uint64)
_NUMBER_WORD_HASHES = hash_words([" ".join(sorted(NUMBER_WORDS))]).hashes
_NUMBER_WORD_FILTER[_NUMBER_WORD_HASHES & np.uint64(0xFFFF)] = True
