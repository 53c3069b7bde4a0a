"""Rewrites how people write one number, "2.5 million", "5 and a half", "1e2", as plain digits."""

import re
from fractions import Fraction
from typing import Final

from graders.quantities import FRACTIONS, SCALES, SMALL, TENS

_WORDS = "|".join(sorted([*SMALL, *TENS], key=len, reverse=True))
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,20})?|\d{1,20}(?:\.\d{1,20})?"
_DOZEN = re.compile(rf"(?<![\w.])(?P<count>{_DIGITS}|{_WORDS}|half a|a)\s+dozens?\b", re.IGNORECASE)
_SCALES: Final = {**SCALES, "trillion": 10**12}
_LETTERS: Final = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "bn": 10**9}
_LETTERED = re.compile(rf"(?<![\w.])(?P<count>{_DIGITS})(?P<scale>{'|'.join(_LETTERS)})\b")
_SCALED = re.compile(
    rf"(?<![\w.])(?P<count>{_DIGITS}|half an?)[ -](?P<scale>{'|'.join(_SCALES)})s?\b",
    re.IGNORECASE,
)
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d{1,20}(?:\.\d{1,20})?)[eE]([+-]?\d{1,2})(?![\w.])")
_PARTS: Final = {
    **{name: part.denominator for name, part in FRACTIONS.items()},
    "halve": 2,
}  # fmt: skip
_PART = rf"(?P<part>{'|'.join(sorted(_PARTS, key=len, reverse=True))})"
_MIXED = re.compile(
    rf"(?<![\w.])(?P<whole>\d[\d,]{{0,20}}|{_WORDS})(?P<unit>(?:\s[a-z]+)?)\s+and\s+"
    rf"(?:(?P<top>an?|{_WORDS}|\d{{1,3}})[ -])?{_PART}s?\b",
    re.IGNORECASE,
)
_SPELLED_PARTS: Final = tuple(
    re.compile(rf"(?<![\w.,/])(?P<top>{top})[ -]{_PART}{plural}\b", re.IGNORECASE)
    for top, plural in (("an?|one", ""), (_WORDS, "s"), (r"\d{1,3}", "(?<!quarter)s"))
)
"""A third, two thirds, 2 thirds; but 3 quarters may well be coins."""
_LOOKALIKES: Final = str.maketrans({"\u017f": "s", "\u0131": "i", "\u0130": "I", "\u212a": "K"})
"""Letters that match s, i and k where case is ignored, and that no table of words has."""
_GLYPHS: Final = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅕": "1/5"}


def plain_numbers(text: str) -> str:
    """The text with scales, powers of ten, halves and glyphs multiplied out or as fractions."""
    text = text.translate(_LOOKALIKES)
    for glyph, plain in _GLYPHS.items():
        text = re.sub(rf"(?<=\d)\s?{glyph}", f" {plain}", text).replace(glyph, plain)
    text = _MIXED.sub(_mixed, text)
    for spelled in _SPELLED_PARTS:
        text = spelled.sub(_part, text)
    text = _SCIENTIFIC.sub(lambda m: str(Fraction(f"{m[1]}e{m[2]}")), text)
    text = _LETTERED.sub(lambda m: str(_count(m["count"]) * _LETTERS[m["scale"]]), text)
    for _ in range(2):
        text = _SCALED.sub(_scaled, text)
    return text


def plain_dozens(text: str) -> str | None:
    """The text with its "5 dozen" as 60; None when it has none."""
    text = text.translate(_LOOKALIKES)
    match = _DOZEN.search(text)
    if match is None:
        return None
    return f"{text[: match.start()]}{12 * _count(match['count'])}{text[match.end() :]}"


def _mixed(match: re.Match[str]) -> str:
    whole, top = _count(match["whole"]), _count(match["top"] or "a")
    return f"{whole} {top}/{_PARTS[match['part'].lower()]}{match['unit']}"


def _part(match: re.Match[str]) -> str:
    return f"{_count(match['top'])}/{_PARTS[match['part'].lower()]}"


def _scaled(match: re.Match[str]) -> str:
    return str(_count(match["count"]) * _SCALES[match["scale"].lower()])


def _count(word: str) -> Fraction:
    word = word.lower().replace(",", "")
    if word.startswith("half"):
        return Fraction(1, 2)
    return Fraction(SMALL.get(word, TENS.get(word, 1 if word in ("a", "an") else word)))
