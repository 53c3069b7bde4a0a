"""Reads a final answer as one number with its unit: "$1,200.00", "5 dozen eggs", "25%", "x = 5".

What holds no number, several, one that is denied or a mere bound has no amount.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sympy import Rational

from graders.expressions import evaluate
from graders.final_answer import NUMBER
from graders.hedging import is_hedged
from graders.plain_numbers import plain_dozens, plain_numbers
from graders.quantities import UNITS, Quantity, find_quantities

MAX_CHARS: Final = 200
_GROUPED = re.compile(r"-?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:\.\d+)?")
_NAME = re.compile(r"^[A-Za-z]\w*\s*=\s*")
_ASSIGNED = re.compile(r"(?<![\w}\\])[A-Za-z]\w{0,2}\s*=")
_COMPARED = re.compile(r"[<>≤≥≠]|!=")
_PERCENT = re.compile(r"\s?percent\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
_SUFFIXES: Final = frozenset(
    "st nd rd th am pm s hr hrs mins sec secs yr yrs oz mph kph kmh kb mb gb tb".split()
)
"""Letters that may stand right behind a number, beside those of UNITS."""
_STARTS = re.compile(r"\s?(?!\s?(?:or|and|to|plus|minus|times)\b)[a-zA-Z]")
_LEADS_ON = re.compile(
    r"\b(?:[A-Z]\w+|(?i:of|in|after|for|per|to|at|by|from|on|with|within|over|until|"
    r"between|every|each|all|the|these|those|his|her|their|its|another|first|last|other|a full|a|"
    r"to\s[a-z]+))\s$"
)
_JOINED = re.compile(r"(?:\b(?:and|or|to|plus|minus|times)\s|,\s?)$", re.IGNORECASE)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Amount:
    """A number; `bare` holds those that equal it where the other side has no unit.

    25% is 1/4, and bare 1/4 or 25; 25 cents are 1/4, and bare 1/4 or 25; 2 dozen are 24, and bare
    24 or 2. `base` is its size in the base unit of `dimension`, where it has one.
    """

    value: Rational
    bare: tuple[Rational, ...]
    dimension: str | None = None
    base: Rational | None = None

    def equals(self, other: "Amount") -> bool:
        """Whether both are the same; a unit counts only where both have one."""
        if self.is_alien_to(other):
            return False
        if self.dimension and other.dimension == self.dimension:
            return self.base == other.base
        return other.value in self.bare or self.value in other.bare

    def is_alien_to(self, other: "Amount") -> bool:
        """Whether their units measure different things; pounds may be money."""
        both = {self.dimension, other.dimension} - {None}
        return len(both) > 1 and both != {"mass", "sterling"}


def amount_of(text: str) -> Amount | None:
    """The one amount that a text tells, or starts with; None if there is none."""
    if len(text) > MAX_CHARS:
        return None
    if _GROUPED.fullmatch(text):
        return _with_unit(evaluate(re.sub(r"\s", "", text)), text)
    side = _last_side(text.replace("\\%", "%"))
    if side is None:
        return None
    side = plain_numbers(side)
    dozens = plain_dozens(side)
    if dozens is None:
        return _with_unit(_number(side), side)
    value = _number(dozens)
    return None if value is None else Amount(value, (value, value / 12), "count", value)


def _last_side(text: str) -> str | None:
    """What stands behind the last `=`; None of several unknowns and of a chain that breaks."""
    if _COMPARED.search(text) or len(_ASSIGNED.findall(text)) > 1:
        return None
    sides = [side.strip() for side in _NAME.sub("", text).split("=")]
    if len(sides) > 2:
        values = {evaluate(side) for side in sides}
        if len(values) > 1 or None in values:
            return None
    return sides[-1]


def _number(text: str) -> Rational | None:
    """The value of an expression that is all of the text, else of the number that it tells."""
    numbers = [_trimmed(match) for match in NUMBER.finditer(text)]
    if numbers and is_hedged(text, *numbers[0]):
        return None
    if any(_has_letters_behind(text, end) for _, end in numbers) or _adds_words(text, numbers):
        return None
    value = evaluate(text)
    return value if value is not None or "\\" in text else _told(text, numbers)


def _trimmed(number: re.Match[str]) -> Span:
    """Where a number stands, without the white space that NUMBER takes along."""
    start = number.end() - len(number[0].lstrip())
    return start, start + len(number[0].strip())


def _has_letters_behind(text: str, end: int) -> bool:
    """Whether letters stand right behind a number that are no unit, as in "3y" and "5M"."""
    letters = _LETTERS.match(text, end)
    if letters is None:
        return False
    unit = letters[0] if len(letters[0]) == 1 else letters[0].lower()
    return unit not in _SUFFIXES and unit not in UNITS


def _adds_words(text: str, numbers: list[Span]) -> bool:
    """Whether a number in words makes it several: "5 or six", "five or 6", "5 hours thirty"."""
    spelled = [
        quantity.start
        for quantity in find_quantities(text)
        if quantity.spelled and not quantity.ordinal and quantity.text.lower() != "one"
    ]
    if not numbers or not spelled:
        return False
    first = numbers[0][0]
    behind = [start for start in spelled if start > first]
    joined = len(behind) < len(spelled) and _JOINED.search(text[:first])
    return bool(joined) or not all(_LEADS_ON.search(text[:start]) for start in behind)


def _told(text: str, numbers: list[Span]) -> Rational | None:
    """The one number of a phrase, or the one that it starts with."""
    if not numbers:
        return _told_in_words(text)
    if len(numbers) > 1 and not _leads(text, numbers):
        return None
    start, end = numbers[0]
    value = evaluate(text[start:end])
    return value / 100 if value is not None and _PERCENT.match(text, end) else value


def _told_in_words(text: str) -> Rational | None:
    spelled = [quantity for quantity in find_quantities(text) if not quantity.ordinal]
    if len(spelled) != 1 or is_hedged(text, spelled[0].start, spelled[0].end):
        return None
    value = _rational(spelled[0].value)
    return value / 100 if spelled[0].dimension == "percent" else value


def _leads(text: str, numbers: list[Span]) -> bool:
    """Whether the text starts with its value: "$20 in her bank after 5 days", not "5 hours 30"."""
    (start, end), *others = numbers
    if start or not _STARTS.match(text, end):
        return False
    return all(_LEADS_ON.search(text[:start]) for start, _ in others)


def _with_unit(value: Rational | None, text: str) -> Amount | None:
    if value is None:
        return None
    found = [quantity for quantity in find_quantities(text) if not quantity.ordinal]
    if _is_in_cents(found):
        return Amount(value / 100, (value / 100, value), "dollar", value / 100)
    first = found[0] if found else None
    if first is None or first.base is None or first.dimension is None:
        return Amount(value, (value,))
    size = _rational(abs(first.value))
    if first.dimension == "percent" and abs(value * 100) == size:
        return Amount(value, (value, value * 100), "percent", value)
    if abs(value) != size or not value:
        return Amount(value, (value,))
    return Amount(value, (value,), first.dimension, value * _rational(first.base / first.value))


def _is_in_cents(found: list[Quantity]) -> bool:
    unit = next((quantity for quantity in found if quantity.dimension is not None), None)
    return unit is not None and unit.dimension == "dollar" and unit.base != unit.value


def _rational(value: Fraction) -> Rational:
    return Rational(value.numerator, value.denominator)
