"""Finds numbers, ordinals, years and their units in a text, as exact values with offsets."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

SMALL: Final = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
}
TENS: Final = {
    word: 10 * value
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
ORDINALS: Final = {
    word: value
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        start=1,
    )
} | {"twenty-first": 21}
FRACTIONS: Final = {
    "half": Fraction(1, 2),
    "halves": Fraction(1, 2),
    "third": Fraction(1, 3),
    "quarter": Fraction(1, 4),
    "fourth": Fraction(1, 4),
    "fifth": Fraction(1, 5),
    "sixth": Fraction(1, 6),
    "seventh": Fraction(1, 7),
    "eighth": Fraction(1, 8),
    "ninth": Fraction(1, 9),
    "tenth": Fraction(1, 10),
}

_UNITS: Final = (
    ("length", "m metre metres meter meters", 1),
    ("length", "km kilometre kilometres kilometer kilometers", 1000),
    ("length", "cm centimetre centimetres centimeter centimeters", Fraction(1, 100)),
    ("length", "mm millimetre millimetres millimeter millimeters", Fraction(1, 1000)),
    ("length", "mile miles mi", Fraction(1609344, 1000)),
    ("length", "ft foot feet", Fraction(3048, 10000)),
    ("length", "inch inches", Fraction(254, 10000)),
    ("length", "yard yards", Fraction(9144, 10000)),
    ("mass", "g gram grams", 1),
    ("mass", "kg kilogram kilograms kilo kilos", 1000),
    ("mass", "ton tons tonne tonnes", 10**6),
    ("mass", "pound pounds lb lbs", Fraction(45359237, 100000)),
    ("mass", "oz ounce ounces", Fraction(45359237, 1600000)),
    ("volume", "l litre litres liter liters", 1),
    ("volume", "ml millilitre millilitres milliliter milliliters", Fraction(1, 1000)),
    ("area", "km2 km² sqkm", 1),
    ("celsius", "°c celsius", 1),
    ("fahrenheit", "°f fahrenheit", 1),
    ("kelvin", "kelvin kelvins", 1),
    ("time", "second seconds sec secs", 1),
    ("time", "minute minutes min mins", 60),
    ("time", "hour hours h hr hrs", 3600),
    ("time", "day days", 86400),
    ("time", "week weeks", 604800),
    ("months", "month months", 1),
    ("months", "year years", 12),
    ("percent", "% percent", 1),
    ("dollar", "$ dollar dollars", 1),
    ("dollar", "cent cents", Fraction(1, 100)),
    ("euro", "€ euro euros", 1),
    ("sterling", "£", 1),
)
UNITS: Final[dict[str, tuple[str, Fraction]]] = {
    word: (dimension, Fraction(factor))
    for dimension, words, factor in _UNITS
    for word in words.split()
}
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_NUMERIC = re.compile(
    rf"(?P<money>[$€£]\s?)?(?P<whole>(?<![\w.]){_DIGITS}|(?<=[$€£]){_DIGITS})"
    r"(?P<ordinal>(?:st|nd|rd|th)\b)?(?P<decade>s\b)?"
    r"(?P<over>/\d{1,15}(?!\d))?(?:[ -](?P<scale>[Hh]undred|[Tt]housand|[Mm]illion|[Bb]illion)\b)?"
)
_WORDS = sorted([*SMALL, *TENS, *SCALES, *ORDINALS, "dozen"], key=len, reverse=True)
_WORD_NUMBER = re.compile(
    rf"\b(?:{'|'.join(_WORDS)})"
    rf"(?:(?:[ -]|(?<=hundred|housand|million)\sand\s)(?:{'|'.join(_WORDS)}))*\b",
    re.IGNORECASE,
)
_PART_NAMES: Final = "|".join(sorted(FRACTIONS, key=len, reverse=True))
_SHARE = re.compile(
    rf"\b(?P<top>{'|'.join([*SMALL])})[ -](?P<part>{_PART_NAMES})(?P<plural>s?)\b(?!-\w)",
    re.IGNORECASE,
)
_MINUS = re.compile(
    r"""(?:(?<![^\s(\[{"'“‘«:=<>≈~,;*|–—])(?<![\d)%]\s)[-−–]
        |(?:^|[(\[{"'“‘:=,;]\s?|\b(?:a|an|about|above|and|approximately|are|around|at|be|below|between
        |by|equals|exactly|from|is|nearly|of|or|reach|reaches|reached|roughly|than|to|under|was|were)
        \s)(?P<word>minus|negative)\s)$""",
    re.IGNORECASE | re.VERBOSE,
)
_MINUS_REACH: Final = 24
_BELOW_ZERO = re.compile(
    r"\s?(?:(?:°[CF]?|degrees?)\s)?(?:(?:Celsius|Fahrenheit|centigrade)\s)?below\s(?:zero|0)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"[ \u00a0-]?(?:(?P<square>square|sq\.?|cubic)\s+)?(?:degrees?\s+)?"
    r"(?P<unit>%|°[CF]|\bkm[2²]|[^\W\d_]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text. `base` is its value in the base unit of `dimension`, if it has one.

    `text` has the sign too, however it is written; the operator of "24 - 18" is none.
    """

    text: str
    start: int
    end: int
    value: Fraction
    dimension: str | None = None
    base: Fraction | None = None
    ordinal: bool = False
    decade: bool = False
    spelled: bool = False

    @property
    def yearlike(self) -> bool:
        """A bare four-digit integer that may be a year."""
        plain = self.dimension is None and "," not in self.text and self.value.denominator == 1
        return plain and 1000 <= self.value.numerator <= 2100


def find_quantities(text: str) -> list[Quantity]:
    """Every number of the text in order, in digits or spelled out, with its unit."""
    numerals = list(_numerals(text))
    found = [*numerals, *_spelled(text, numerals)]
    zeros = {tail.end() for q in found if (tail := _BELOW_ZERO.match(text, q.end))}
    signed = [_signed(q, text) for q in found if not (q.value == 0 and q.end in zeros)]
    return sorted(signed, key=lambda quantity: quantity.start)


def _signed(quantity: Quantity, text: str) -> Quantity:
    """The quantity with its minus: "-5", "minus 5", "5 degrees below zero".

    A hyphen or a "minus" that joins two numbers, or a word and a number, is none.
    """
    first = max(0, quantity.start - _MINUS_REACH)
    before = _MINUS.search(text[first : quantity.start])
    after = _BELOW_ZERO.match(text, quantity.end)
    if quantity.ordinal or quantity.decade or not (before or after):
        return quantity
    start, end = quantity.start, after.end() if after else quantity.end
    if before:
        start = first + (before.start("word") if before["word"] else before.start())
    base = None if quantity.base is None else -quantity.base
    return replace(
        quantity, text=text[start:end], start=start, end=end, value=-quantity.value, base=base
    )


def _numerals(text: str) -> Iterator[Quantity]:
    for match in _NUMERIC.finditer(text):
        whole = match["whole"].replace(",", "")
        if len(whole) > 30:
            continue
        value = Fraction(whole)
        if match["over"] and int(match["over"][1:]):
            value /= int(match["over"][1:])
        if match["scale"]:
            value *= SCALES[match["scale"].lower()]
        marked = bool(match["ordinal"] or match["decade"])
        unit = None if marked else _unit(text, match.end(), match["money"])
        yield Quantity(
            match[0],
            match.start(),
            match.end(),
            value,
            unit[0] if unit else None,
            value * unit[1] if unit else None,
            ordinal=bool(match["ordinal"]),
            decade=bool(match["decade"]),
        )


def _unit(text: str, end: int, money: str | None) -> tuple[str, Fraction] | None:
    if money:
        return UNITS[money.strip()]
    match = _UNIT.match(text, end)
    if match is None:
        return None
    unit = UNITS.get(match["unit"].lower())
    if unit and match["square"]:
        power = 3 if match["square"].lower() == "cubic" else 2
        return f"{unit[0]}^{power}", unit[1] ** power
    if unit and unit[0] == "area":
        return "length^2", Fraction(10**6)
    return unit


def _spelled(text: str, numerals: Sequence[Quantity]) -> Iterator[Quantity]:
    """Numbers in words; the scale of a numeral ("2.5 million") is no number of its own."""
    masked = _masked(text, [(quantity.start, quantity.end) for quantity in numerals])
    shares = dict(_shares(masked))
    for (start, end), share in shares.items():
        yield _worded(text, start, end, share, _unit(text, end, None))
    for match in _WORD_NUMBER.finditer(_masked(masked, list(shares))):
        words = re.split(r"[ -]|\sand\s", match[0].lower())
        value = spelled_value(words)
        if value is None:
            continue
        ordinal = words[-1] in ORDINALS
        start, end = match.span()
        if words[1:] == ["second"] and words[0] in SMALL:
            ordinal, end, value = False, start + len(words[0]), SMALL[words[0]]
        unit = None if ordinal else _unit(text, end, None)
        yield _worded(text, start, end, Fraction(value), unit, ordinal=ordinal)


def _worded(
    text: str,
    start: int,
    end: int,
    value: Fraction,
    unit: tuple[str, Fraction] | None,
    *,
    ordinal: bool = False,
) -> Quantity:
    dimension, base = (unit[0], value * unit[1]) if unit else (None, None)
    return Quantity(
        text[start:end], start, end, value, dimension, base, ordinal=ordinal, spelled=True
    )


def _shares(text: str) -> Iterator[tuple[tuple[int, int], Fraction]]:
    """Fractions in words: "one third", "two-thirds", "three quarters of"; two quarters are coins,
    and "two third graders" no fraction.
    """
    for match in _SHARE.finditer(text):
        top, name = SMALL.get(match["top"].lower()), match["part"].lower()
        part = FRACTIONS.get(name)
        if top is None or part is None or not 0 < top < part.denominator:
            continue
        if (top > 1) is not bool(match["plural"]):
            continue
        if name != "quarter" or text.startswith(" of ", match.end()):
            yield match.span(), top * part


def _masked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with what stands at these offsets, in order, overwritten with zeros."""
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], "0" * (end - start)]
        at = end
    return "".join([*pieces, text[at:]])


def spelled_value(words: list[str]) -> int | None:
    """The value of number words in order ("three", "hundred", "forty", "two"), or None."""
    total, current = 0, 0
    for word in words:
        if word in SMALL or word in TENS or word in ORDINALS:
            current += SMALL.get(word, TENS.get(word, ORDINALS.get(word, 0)))
        elif word == "dozen":
            current = max(current, 1) * 12
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in SCALES:
            total, current = total + max(current, 1) * SCALES[word], 0
        elif word not in ("and", ""):
            return None
    return total + current
