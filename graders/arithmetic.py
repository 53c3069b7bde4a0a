"""Finds the equations in a text and recomputes them exactly with SymPy; evaluates no code.

The grammar is our own: numbers, + - * / ^, brackets, "25% of", fractions, units between operands.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sympy import Integer, Rational, floor

MAX_EXPONENT: Final = 64
MAX_DIGITS: Final = 24
UNIT_WORDS: Final = 5
MAX_OPERANDS: Final = 60
MAX_BITS: Final = 512
"""Of any numerator or denominator on the way: keeps work small and every value a float."""

_GLYPHS: Final = {"½": (1, 2), "¼": (1, 4), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3), "⅕": (1, 5)}
_NUMBER_WORDS: Final = {"half": (1, 2), "third": (1, 3), "quarter": (1, 4)}
_OPERATORS: Final = {
    "×": "*", "·": "*", "∗": "*", "x": "*", "X": "*", "÷": "/", "−": "-", "–": "-", "**": "^",
    "plus": "+", "minus": "-", "times": "*", "divided by": "/", "multiplied by": "*", "of": "of",
    r"\times": "*", r"\cdot": "*", r"\div": "/",
}  # fmt: skip
_EQUALS: Final = frozenset({"=", "≈", "≃", "equals", "is equal to", "is", "makes", "gives"})
_TOKEN = re.compile(
    r"""(?P<skip>[\s\u00a0]+|\\[()\[\],;! ]|\\(?:boxed|left|right|quad)|\\?\$|[€£]
        |\\text\s*\{[^{}]*\})
    |\\[dt]?frac\s*\{(?P<over>[^{}]{1,60})\}\s*\{(?P<under>[^{}]{1,60})\}
    |(?P<mixed>\d+[ ]\d+/\d+(?![\d/]))
    |(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\w)\.\d+)
    |(?P<glyph>[½¼¾⅓⅔⅕])
    |(?P<percent>\\?%|percent\b)
    |(?P<power>[²³])
    |(?P<operator>\*\*|[-+*/^×·∗÷−–]|(?<=[\d)\s%])[xX](?=\s*[\d($])|\\(?:times|cdot|div)\b
        |\b(?:plus|minus|times|divided\ by|multiplied\ by|of)\b)
    |(?P<equals>=|≈|≃|\b(?:equals|is\ equal\ to|is|makes|gives)\b)
    |(?P<open>[({])|(?P<close>[)}])
    |(?P<word>[^\W\d_][\w'’]*(?:-[^\W\d_]+)*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ANNOTATION = re.compile(r"<<([^<>]*)>>")
_YEAR = re.compile(r"1\d{3}|20\d\d|2100")
_UNIT_LETTERS: Final = frozenset("a m g l L h s A".split())


@dataclass(frozen=True, slots=True)
class Operand:
    """A number that an equation uses or states; `percent` when it is written as one."""

    value: Rational
    text: str
    start: int
    end: int
    percent: bool = False


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


class UnreadableError(ValueError):
    """These tokens are no expression, or one too large; then `resume` is the token to go on at."""

    resume: int = 0


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    value: Rational | None = None


@dataclass(slots=True)
class _Side:
    """One side of an equation, as parsed."""

    value: Rational | None
    operands: list[Operand]
    operators: int
    end: int
    unit: str
    percent: bool = False


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
    return tuple(sorted(found, key=lambda equation: (equation.end, equation.start)))


def evaluate(text: str) -> Rational | None:
    """The exact value of an expression that is the whole text, units aside; None if it is none."""
    tokens = _tokens(text, 0)
    while tokens and (tokens[-1].text in ".!" or tokens[-1].kind == "space"):
        tokens.pop()
    try:
        side = _Parser(tokens, 0).side()
    except UnreadableError:
        return None
    return side.value if side.end == len(tokens) else None


def _tokens(text: str, offset: int) -> list[_Token]:
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "skip":
            if "\n" in match[0] and tokens:
                tokens.append(_Token("other", "\n", offset + match.start(), offset + match.end()))
            continue
        place = (offset + match.start(), offset + match.end())
        value = None
        if match["under"] is not None:
            kind, value = "number", _ratio(evaluate(match["over"]), evaluate(match["under"]))
            kind = "number" if value is not None else "other"
        elif kind in ("number", "mixed", "glyph"):
            value = _number(match[0])
            kind = "number" if value is not None else "other"
        tokens.append(_Token(kind, match[0], *place, value))
    return tokens


def _ratio(over: Rational | None, under: Rational | None) -> Rational | None:
    return None if over is None or under is None or under == 0 else over / under


def _number(text: str) -> Rational | None:
    if text in _GLYPHS:
        return Rational(*_GLYPHS[text])
    if len(text) > MAX_DIGITS:
        return None
    whole, _, part = text.rpartition(" ")
    if "/" in part:
        over, under = part.split("/")
        return None if int(under) == 0 else Rational(int(whole)) + Rational(int(over), int(under))
    return Rational(text.replace(",", ""))


def _scan(text: str, offset: int) -> Iterator[Equation]:
    tokens = _tokens(text, offset)
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


def _may_start(tokens: Sequence[_Token], place: int) -> bool:
    token, before = tokens[place], tokens[place - 1] if place else None
    if before is not None and (before.kind in ("operator", "open") and before.text != "of"):
        return token.kind == "number" and _is_dash(tokens, place - 1)
    if token.kind == "operator" and token.text in "-−":
        near = place + 1 < len(tokens) and tokens[place + 1].start == token.end
        return near and (before is None or before.kind not in ("number", "close", "word"))
    if token.kind == "word":
        return token.text.lower() in _NUMBER_WORDS
    return token.kind in ("number", "open")


def _is_dash(tokens: Sequence[_Token], place: int) -> bool:
    """Whether the operator at `place` is a bullet or a dash: nothing that it could join."""
    if tokens[place].kind == "open":
        return True
    if tokens[place].text not in "-−–*":
        return False
    return place == 0 or tokens[place - 1].kind == "other"


def _chain(tokens: Sequence[_Token], place: int) -> tuple[list[_Side], list[str]]:
    sides = [_Parser(tokens, place).side()]
    equals: list[str] = []
    while sides[-1].end < len(tokens) and tokens[sides[-1].end].kind == "equals":
        sign = tokens[sides[-1].end].text
        prose = sign not in "=≈≃" and "equal" not in sign
        if prose and (not sides[-1].operators or _has_period(tokens[place : sides[-1].end])):
            break
        try:
            side = _Parser(tokens, sides[-1].end + 1).side()
        except UnreadableError:
            break
        sides.append(side)
        equals.append(sign)
    return sides, equals


def _has_period(tokens: Sequence[_Token]) -> bool:
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
    text: str, offset: int, start: int, sides: list[_Side], equals: list[str], tokens: list[_Token]
) -> Iterator[Equation]:
    for left, right, sign in zip(sides, sides[1:], equals, strict=False):
        result = right.operands[-1]
        end = max(result.end, right.operands[-1].end)
        stated = right.value if right.value is not None else Integer(0)
        holds = _agree(left, right, sign) or _remainder(tokens, left, right)
        bare = not left.operators and not right.operators
        checked = not (bare and left.unit != right.unit) and right.value is not None
        final = Operand(stated, result.text, result.start, result.end, result.percent)
        yield Equation(
            text[start - offset : end - offset], start, end, left.value, stated,
            holds or not checked, tuple(left.operands), final, checked,
        )  # fmt: skip
        start = right.operands[0].start


def _agree(left: _Side, right: _Side, sign: str) -> bool:
    if left.value is None or right.value is None:
        return False
    if left.value == right.value or (
        right.percent and not left.percent and left.value == right.value * 100
    ):
        return True
    written = right.operands[-1].text.replace(",", "")
    places = len(written.partition(".")[2])
    if right.operators or not (places or sign in "≈≃"):
        return False
    target = right.value * 100 if right.percent else right.value
    scales = (1, 100) if right.percent else (1,)
    close = any(abs(left.value * s - target) * 2 * 10**places <= 1 for s in scales)
    endless = any(prime not in (2, 5) for prime in _primes(int(left.value.q)))
    return bool(close) and (places >= 2 or endless or sign in "≈≃")


def _primes(number: int) -> Iterator[int]:
    """Whether anything but 2 and 5 divides: 1 is no prime and is left out."""
    for prime in (2, 5):
        while number % prime == 0:
            number //= prime
    if number > 1:
        yield number


def _remainder(tokens: Sequence[_Token], left: _Side, right: _Side) -> bool:
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


def _bits(value: Rational) -> int:
    return max(abs(int(value.p)), int(value.q)).bit_length()


def _bounded(value: Rational) -> Rational | None:
    """The value, or None, as for a division by zero, where it has more than MAX_BITS."""
    return value if _bits(value) <= MAX_BITS else None


class _Parser:
    """Recursive descent over tokens: sum, product, power, operand."""

    def __init__(self, tokens: Sequence[_Token], place: int) -> None:
        self.tokens, self.place = tokens, place
        self.operands: list[Operand] = []
        self.operators, self.unit, self.percent, self.depth = 0, "", False, 0

    def side(self) -> _Side:
        """One side of an equation. Raises UnreadableError."""
        value = self.sum()
        return _Side(value, self.operands, self.operators, self.place, self.unit, self.percent)

    def peek(self, ahead: int = 0) -> _Token | None:
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def operator(self, allowed: str) -> str | None:
        token = self.peek()
        if token is None or token.kind != "operator":
            return None
        sign = _OPERATORS.get(token.text, token.text)
        if sign not in allowed.split() or not self.operand_follows():
            return None
        self.place += 1
        self.operators += 1
        return sign

    def operand_follows(self) -> bool:
        token = self.peek(1)
        if token is None:
            raise UnreadableError
        if token.kind in ("number", "open") or token.text in ("-", "−", "the", "a", "those"):
            return True
        if token.kind == "word" and token.text.lower() in _NUMBER_WORDS:
            return True
        if self.tokens[self.place].text in ("of", "-", "–"):
            return False
        raise UnreadableError

    def sum(self) -> Rational | None:
        value = self.product()
        percent = self.percent
        while sign := self.operator("+ -"):
            other = self.product()
            if value is None or other is None:
                value = None
            elif self.percent and not percent:
                value = value * (1 + other if sign == "+" else 1 - other)
                self.percent = False
            else:
                value = _bounded(value + other if sign == "+" else value - other)
                percent = self.percent = percent and self.percent
        return value

    def product(self) -> Rational | None:
        self.percent = False
        value = self.power()
        while sign := self.operator("* / of"):
            other = self.power()
            self.percent = False
            if value is None or other is None or (sign == "/" and other == 0):
                value = None
            else:
                value = _bounded(value / other if sign == "/" else value * other)
        return value

    def power(self) -> Rational | None:
        base = self.operand()
        token = self.peek()
        if token is not None and token.kind == "power":
            self.place += 1
            return None if base is None else _bounded(base ** (2 if token.text == "²" else 3))
        if self.operator("^"):
            exponent = self.operand()
            if base is None or exponent is None:
                return None
            small = exponent.q == 1 and abs(exponent) <= MAX_EXPONENT
            if not small or (base == 0 and exponent < 0):
                raise UnreadableError
            return _bounded(base**exponent) if _bits(base) * abs(exponent) <= MAX_BITS else None
        return base

    def operand(self) -> Rational | None:
        token = self.peek()
        while token is not None and token.kind == "word" and token.text in ("the", "a", "those"):
            self.place += 1
            token = self.peek()
        if len(self.operands) > MAX_OPERANDS:
            error = UnreadableError()
            error.resume = self.place
            raise error
        if token is None or self.depth > 20:
            raise UnreadableError
        if token.kind == "operator" and token.text in "-−":
            self.place += 1
            self.depth += 1
            value = self.operand()
            self.depth -= 1
            return None if value is None else -value
        if token.kind == "open":
            return self.bracket()
        value = token.value
        if token.kind == "word" and token.text.lower() in _NUMBER_WORDS:
            value = Rational(*_NUMBER_WORDS[token.text.lower()])
        if value is None:
            raise UnreadableError
        self.place += 1
        return self.marked(value, token)

    def marked(self, value: Rational, token: _Token) -> Rational:
        """The operand with its percent sign and its unit."""
        after = self.peek()
        percent = after is not None and after.kind == "percent"
        self.place += percent
        self.percent = percent
        self.operands.append(Operand(value, token.text, token.start, token.end, percent))
        self.skip_unit()
        return value / 100 if percent else value

    def bracket(self) -> Rational | None:
        self.place += 1
        self.depth += 1
        value = self.sum()
        token = self.peek()
        if token is None or token.kind != "close":
            raise UnreadableError
        self.place += 1
        self.depth -= 1
        self.skip_unit()
        return value

    def skip_unit(self) -> None:
        """Step over the words of a unit: "boxes", "cookies per box", "km / h"."""
        words: list[str] = []
        while (token := self.peek()) is not None and len(words) < UNIT_WORDS:
            following = self.peek(1)
            if token.kind == "operator" and token.text == "/" and self.is_word(following):
                self.place += 1
                continue
            if not self.is_word(token) or token.text.lower() in _NUMBER_WORDS:
                break
            if len(token.text) == 1 and token.text not in _UNIT_LETTERS:
                if token.text in "rR":
                    words.append("r")
                    self.place += 1
                    break
                raise UnreadableError
            words.append(token.text)
            self.place += 1
        self.unit = " ".join(words)

    @staticmethod
    def is_word(token: _Token | None) -> bool:
        return token is not None and token.kind == "word"
