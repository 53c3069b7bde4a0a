"""What of a text is compared: its word pairs, with its numbers counted several times over.

Case, punctuation, white space and what no reader sees (`graders.invisible`) don't count. Numbers
weigh more than words because two word problems from one mould differ in little else, and yet are
two problems.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from graders.invisible import INVISIBLE

MIN_WORDS = 6
NUMBER_WEIGHT = 4
_TOKEN = re.compile(
    "\\d+(?:[.,]\\d+)*"  # a number
    "|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # no spaces
    "|[^\\W\\d_]+(?:'[^\\W\\d_]+)*"  # a word
    "|[-+*/^=<>%\u00d7\u00f7](?=\\s*[\\d(])"  # an operator before a number
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
NUMBER_WORDS = frozenset(
    {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
    | {"thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}
    | {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"}
)
_SAME = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u2212": "-"}
    | dict.fromkeys("\u201c\u201d\u2013\u2014\u2026\u2022\u00a0\u00a3\u20ac\u00b0", " ")
    | dict.fromkeys(INVISIBLE)
)
"""Characters that stand for an ASCII one; punctuation that no word holds becomes a space, and what
no reader sees nothing."""


def plain(text: str) -> str:
    """The text with typographic quotes, dashes and minus signs in ASCII, without invisible marks.

    Every other character stays in its place.
    """
    return text if text.isascii() else text.translate(_SAME)


def words_with_offsets(text: str) -> list[tuple[str, int, int]]:
    """The words, numbers and operators of a text, folded, with their offsets in it."""
    read = plain(text)
    found = [(_fold(match[0]), match.start(), match.end()) for match in _TOKEN.finditer(read)]
    if len(read) == len(text):
        return found
    places = [at for at, mark in enumerate(text) if mark not in INVISIBLE]
    return [(word, places[start], places[end - 1] + 1) for word, start, end in found]


def words(text: str) -> list[str]:
    """The words, numbers and operators of a text, folded."""
    return [_fold(word) for word in _TOKEN.findall(plain(text))]


def normalise(text: str) -> str:
    """What two exact duplicates share. A text without any word stands for itself."""
    return " ".join(words(text)) or "\0" + " ".join(text.split())


def shingles(folded: Iterable[str]) -> set[str]:
    """Pairs of neighbouring words, and each number NUMBER_WEIGHT times for every time it occurs.

    Repeating a feature makes the Jaccard index of the sets a weighted one.
    """
    sequence = list(folded)
    pairs = {f"{a} {b}" for a, b in pairwise(sequence)}
    numbers = Counter(word for word in sequence if is_number(word))
    pairs.update(
        f"#{number}#{copy}"
        for number, count in numbers.items()
        for copy in range(count * NUMBER_WEIGHT)
    )
    return pairs


def similarity(a: str, b: str) -> float:
    """Jaccard index of the two texts' shingles, in [0, 1]; of short texts, 1 only if equal."""
    first, second = words(a), words(b)
    if min(len(first), len(second)) < MIN_WORDS:
        return float(normalise(a) == normalise(b))
    return jaccard(shingles(first), shingles(second))


def jaccard(a: set[str], b: set[str]) -> float:
    """Shared features over all features; two empty sets are alike."""
    shared = len(a & b)
    union = len(a) + len(b) - shared
    return shared / union if union else 1.0


def is_number(word: str) -> bool:
    return word[0].isdigit() or word in NUMBER_WORDS


def _fold(word: str) -> str:
    if word.isascii():
        return _THOUSANDS.sub("", word) if word[0].isdigit() else word.lower()
    return unicodedata.normalize("NFKC", word).casefold()
