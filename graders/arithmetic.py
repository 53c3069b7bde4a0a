"""Finds the equations in a text and recomputes them exactly.

An equation counts as wrong only when it can be read whole: a fragment ("Ann's 5 pens + Bob's 3 = 8"
seen from the 3), a conversion ("8 quarters = 8 * 25 cents", "2 hours + 30 minutes = 150 minutes"),
a time of day or algebra is left unchecked.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from sympy import Integer, Rational, floor

from graders.expressions import (
    NUMBER_WORDS,
    Expression,
    Operand,
    UnreadableError,
    read_expression,
)
from graders.lexer import Token, tokenize
from graders.quantities import UNITS

FLOAT_DIGITS: Final = 9
"""Decimals from which on a number is a computer's: it is compared as one, to so many digits."""
_LOOK_BACK: Final = 6
_ADDING: Final = frozenset({"+", "-", "−", "–", "plus", "minus"})
_ANNOTATION = re.compile(r"<<([^<>]*)>>")
_YEAR = re.compile(r"1\d{3}|20\d\d|2100")
_CLOCK = re.compile(r"(?<![\d:.,])\d{1,2}:[0-5]\d(?![\d.])")
_TIMES: Final = {"s": 1, "h": 3600, "m": 60}
_MORE_UNITS: Final = (
    ("dollar", "quarters", "1/4"), ("dollar", "dime dimes", "1/10"),
    ("dollar", "nickel nickels", "1/20"), ("dollar", "penny pennies", "1/100"),
    ("volume", "gallon gallons", "3.785411784"), ("volume", "quart quarts", "0.946352946"),
    ("volume", "pint pints", "0.473176473"), ("volume", "cup cups", "0.2365882365"),
)  # fmt: skip
_MONTH: Final = 2_629_746
"""Seconds of a mean month: no whole ratio to a day or a week."""
_SIZES: Final[dict[str, tuple[str, Rational]]] = {
    word: (
        "time" if kind == "months" else kind,
        Rational(size.numerator, size.denominator) * (_MONTH if kind == "months" else 1),
    )
    for word, (kind, size) in UNITS.items()
} | {word: (kind, Rational(size)) for kind, words, size in _MORE_UNITS for word in words.split()}


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation of the text with its offsets.

    `value` is what its left side comes to, None of a division by zero and of what is too large
    to compute; `stated` what the text says. `checked` is False where nothing can be recomputed
    ("2 boxes = 24 eggs").
    """

    text: str
    start: int
    end: int
    value: Rational | None
    stated: Rational
    holds: bool
    operands: tuple[Operand, ...]
    result: Operand
    checked: bool = True


def find_equations(text: str) -> list[Equation]:
    """The equations of a text in order; `<<24+18=42>>` annotations are equations of their own."""
    return list(_cached(text))


@lru_cache(maxsize=2048)
def _cached(text: str) -> tuple[Equation, ...]:
    found: list[Equation] = []
    for note in _ANNOTATION.finditer(text):
        found += _scan(note[1], note.start(1))
    blank = _ANNOTATION.sub(lambda note: " " * len(note[0]), text)
    known = {(e.value, e.stated) for e in found}
    for equation in _scan(blank, 0):
        if not found or (equation.value, equation.stated) not in known:
            found.append(equation)
    return tuple(_forgiven(sorted(found, key=lambda equation: (equation.end, equation.start))))


def _forgiven(equations: Sequence[Equation]) -> Iterator[Equation]:
    """The equations; one computed with a result rounded before may be off by that rounding."""
    rounded: dict[Rational, Rational] = {}
    for equation in equations:
        value, stated = equation.value, equation.stated
        if value and equation.checked and not equation.holds:
            slack = sum(rounded.get(operand.value, Integer(0)) for operand in equation.operands)
            off = abs(value - stated)
            equation = replace(equation, holds=bool(off <= 2 * slack * abs(value)))
        elif value and equation.checked and value != stated:
            rounded[stated] = abs(value - stated) / abs(value)
        yield equation


def _scan(text: str, offset: int) -> Iterator[Equation]:
    """The equations of a text; those with a time of day ("7:30 + 45 minutes") are unchecked."""
    clocks = {place + offset for clock in _CLOCK.finditer(text) for place in range(*clock.span())}
    for equation in _scan_numbers(text, offset):
        places = {o.start for o in equation.operands} | {equation.result.start}
        is_time = not clocks.isdisjoint(places)
        yield replace(equation, checked=False, holds=True) if is_time else equation


def _scan_numbers(text: str, offset: int) -> Iterator[Equation]:
    tokens = tokenize(text, offset)
    place = 0
    while place < len(tokens):
        if not _may_start(tokens, place):
            place += 1
            continue
        try:
            sides, equals = _chain(tokens, place)
        except UnreadableError as exc:
            place = max(exc.resume, place + 1)
            continue
        if len(sides) < 2:
            place = max(sides[-1].end, place + 1)
            continue
        yield from _equations(text, offset, tokens[place].start, sides, equals, tokens)
        place = max(sides[-1].end, place + 1)


def _may_start(tokens: Sequence[Token], place: int) -> bool:
    token, before = tokens[place], tokens[place - 1] if place else None
    if before is not None and before.kind in ("operator", "open") and before.text != "of":
        return token.kind == "number" and _is_dash(tokens, place - 1)
    if token.text == "{" or (before is not None and _leads(before, token)):
        return False
    if token.kind == "operator" and token.text in "-−":
        near = place + 1 < len(tokens) and tokens[place + 1].start == token.end
        return near and (before is None or before.kind not in ("number", "close", "word"))
    if token.kind == "word":
        is_share = token.text.lower() in NUMBER_WORDS
        return is_share and (before is None or before.kind != "number")
    return token.kind in ("number", "open", "fraction") and not _is_fragment(tokens, place)


def _leads(before: Token, token: Token) -> bool:
    """Whether what stands before belongs to the number: a root, "multiply 8 by", "x(2)"."""
    if before.kind == "command" or before.text.lower() == "by":
        return True
    return before.kind in ("word", "close") and before.end == token.start


def _is_fragment(tokens: Sequence[Token], place: int) -> bool:
    """Whether words lead back to an operator: the 5 of `8 guns + Ann's 5 guns = 13 guns`."""
    for back in range(place - 1, max(-1, place - 1 - _LOOK_BACK), -1):
        token = tokens[back]
        if token.kind == "operator" and token.text[0] in "+-−*/×÷":
            return not _is_dash(tokens, back)
        if token.kind != "word" and token.text not in ("'", "’"):
            return False
    return False


def _is_dash(tokens: Sequence[Token], place: int) -> bool:
    """Whether the operator at `place` is a bullet or a dash: nothing that it could join."""
    if tokens[place].kind == "open":
        return True
    if tokens[place].text not in "-−–*":
        return False
    return place == 0 or tokens[place - 1].kind == "other"


def _chain(tokens: Sequence[Token], place: int) -> tuple[list[Expression], list[str]]:
    sides = [read_expression(tokens, place)]
    equals: list[str] = []
    while sides[-1].end < len(tokens) and tokens[sides[-1].end].kind == "equals":
        sign = tokens[sides[-1].end].text
        prose = sign not in "=≈≃" and "equal" not in sign
        if prose and (not sides[-1].operators or _has_period(tokens[place : sides[-1].end])):
            break
        try:
            side = read_expression(tokens, sides[-1].end + 1)
        except UnreadableError:
            break
        if side.end < len(tokens) and _goes_on(tokens[side.end - 1], tokens[side.end]):
            break
        sides.append(side)
        equals.append(sign)
    return sides, equals


def _goes_on(last: Token, following: Token) -> bool:
    """Whether an expression continues in what was not read: "5\\sqrt{2}", "3(x + 1)"."""
    unread = following.kind in ("command", "fraction", "open", "word")
    return unread and last.end == following.start


def _has_period(tokens: Sequence[Token]) -> bool:
    """Whether two years are joined as in `the war of 1914-1918`: unspaced, the later one last."""
    return any(
        _YEAR.fullmatch(since.text)
        and _YEAR.fullmatch(until.text)
        and since.text < until.text
        and dash.text in "-−–"
        and since.end == dash.start
        and dash.end == until.start
        for since, dash, until in zip(tokens, tokens[1:], tokens[2:], strict=False)
    )


def _equations(
    text: str,
    offset: int,
    start: int,
    sides: list[Expression],
    equals: list[str],
    tokens: list[Token],
) -> Iterator[Equation]:
    for place, (left, right, sign) in enumerate(zip(sides, sides[1:], equals, strict=False)):
        result = right.operands[-1]
        end = max(result.end, right.operands[-1].end)
        stated = right.value if right.value is not None else Integer(0)
        money = "$" in text[right.operands[0].start - offset - 2 : right.operands[0].start - offset]
        holds = (
            _agree(left, right, sign)
            or _remainder(tokens, left, right)
            or _agree_in_cents(left, right, money)
        )
        at = right.operands[0].start - offset
        coins = {"cent", "cents"} & left.units and "$" in text[start - offset : at]
        first, behind = (bisect_left(tokens, x, key=_start) for x in (start, at + offset))
        signs = {token.text for token in tokens[first:behind] if token.kind == "operator"}
        converts = _converts(left, right, signs, bool(coins))
        checked = _is_checked(left, right, chained=place > 0) and (
            not converts
            if holds and signs <= _ADDING
            else holds or not (converts or left.lettered or right.lettered)
        )
        final = Operand(stated, result.text, result.start, result.end, result.percent)
        yield Equation(
            text[start - offset : end - offset], start, end, left.value, stated,
            holds or not checked, tuple(left.operands), final, checked,
        )  # fmt: skip
        start = right.operands[0].start


def _start(token: Token) -> int:
    return token.start


def _is_checked(left: Expression, right: Expression, *, chained: bool) -> bool:
    """Whether there is something to recompute: not in "2 boxes = 24", "90 minutes = 90 / 60"."""
    if right.value is None:
        return False
    if left.operators:
        return True
    if right.operators:
        return not left.unit
    return chained and left.unit == right.unit


def _converts(left: Expression, right: Expression, signs: set[str], coins: bool) -> bool:
    """Whether an equation goes from one unit to another, and is not for us to recompute.

    So does a sum of two units of one kind ("2 hours + 30 minutes"), and whatever is off by their
    ratio ("6 feet / 2 inches = 36"); but "3 hours * 60 minutes = 170 minutes" is wrong.
    """
    words = left.units | right.units
    if not signs.isdisjoint(_ADDING) and (
        coins or {"am", "pm"} <= words or any(len(s) > 1 for s in _sizes(left.units))
    ):
        return True
    if not left.value or not right.value:
        return False
    ratio = left.value / right.value
    return any(ratio * one == other for s in _sizes(words) for one in s for other in s - {one})


def _sizes(words: set[str]) -> list[set[Rational]]:
    """The sizes of the units among some words, those of one kind together."""
    sizes: dict[str, set[Rational]] = {}
    timed = any(_SIZES.get(word, ("",))[0] == "time" for word in words)
    for word in words:
        if word in _SIZES or word in _TIMES:
            kind, size = _SIZES.get(word, ("", Integer(1)))
            if timed and word in _TIMES:
                kind, size = "time", Integer(_TIMES[word])
            sizes.setdefault(kind, set()).add(size)
    return list(sizes.values())


def _agree(left: Expression, right: Expression, sign: str) -> bool:
    if left.value is None or right.value is None:
        return False
    if left.value == right.value or (
        right.percent and not left.percent and left.value == right.value * 100
    ):
        return True
    if any(_decimals(o) >= FLOAT_DIGITS for o in (*left.operands, *right.operands)):
        return bool(abs(left.value - right.value) * 10**FLOAT_DIGITS <= max(1, abs(left.value)))
    return not right.operators and _rounds_to(left.value, right, sign)


def _decimals(operand: Operand) -> int:
    return len(operand.text.partition(".")[2])


def _rounds_to(value: Rational, right: Expression, sign: str) -> bool:
    """Whether the stated decimal is the value, rounded or cut off."""
    places = _decimals(right.operands[-1])
    if right.value is None or not (places or right.percent or sign in "≈≃"):
        return False
    target = right.value * 100 if right.percent else right.value
    whole = right.percent and not places
    scales = (100,) if whole else (1, 100) if right.percent else (1,)
    off = [(abs(value * s) - abs(target)) * 10**places for s in scales]
    endless = any(prime not in (2, 5) for prime in _primes(int(value.q)))
    if target == 0 or value * target < 0:
        return bool(value == target)
    cut_off = places >= 2 and endless and any(0 <= gap < 1 for gap in off)
    close = any(2 * abs(gap) <= 1 for gap in off)
    return cut_off or (close and (places >= 2 or endless or whole or sign in "≈≃"))


def _primes(number: int) -> Iterator[int]:
    """Whether anything but 2 and 5 divides: 1 is no prime and is left out."""
    for prime in (2, 5):
        while number % prime == 0:
            number //= prime
    if number > 1:
        yield number


def _agree_in_cents(left: Expression, right: Expression, money: bool) -> bool:
    """`4 * 25 cents = $1`, `$1.20 * 3 = 360 cents`."""
    if left.value is None or right.value is None:
        return False
    cents = [not {"cent", "cents"}.isdisjoint(side.units) for side in (left, right)]
    if cents == [True, False]:
        dollars = money or not {"dollar", "dollars"}.isdisjoint(right.units)
        return dollars and bool(left.value == right.value * 100)
    return cents == [False, True] and bool(left.value * 100 == right.value)


def _remainder(tokens: Sequence[Token], left: Expression, right: Expression) -> bool:
    """`17 / 5 = 3 remainder 2`."""
    tail = tokens[right.end : right.end + 2]
    words = right.unit.lower().split()
    if left.value is None or len(left.operands) != 2 or len(tail) < 1:
        return False
    rest = tail[0] if words and words[-1] in ("remainder", "r") else None
    if rest is None or rest.value is None:
        return False
    over, under = (operand.value for operand in left.operands)
    whole = floor(left.value)
    return bool(whole == right.value and over - under * whole == rest.value)
