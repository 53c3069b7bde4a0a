"""Reads arithmetic expressions and computes them exactly with SymPy; evaluates no code.

The grammar is our own: numbers, + - * / ^, brackets, "25% of", fractions, LaTeX fractions, units
between operands. What it can't read raises UnreadableError, and is never guessed at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sympy import Rational

from graders.lexer import Token, tokenize

MAX_EXPONENT: Final = 64
MAX_OPERANDS: Final = 60
MAX_DEPTH: Final = 20
MAX_BITS: Final = 512
"""Of any numerator or denominator on the way: keeps work small and every value a float."""
UNIT_WORDS: Final = 5

NUMBER_WORDS: Final = {"half": (1, 2), "third": (1, 3), "quarter": (1, 4)}
_OPERATORS: Final = {
    "×": "*", "·": "*", "∗": "*", "x": "*", "X": "*", "÷": "/", "−": "-", "–": "-", "**": "^",
    "plus": "+", "minus": "-", "times": "*", "divided by": "/", "multiplied by": "*", "of": "of",
    r"\times": "*", r"\cdot": "*", r"\div": "/",
}  # fmt: skip
_ARTICLES: Final = ("the", "a", "those")
_UNIT_LETTERS: Final = frozenset("a m g l L h s A".split())


class UnreadableError(ValueError):
    """These tokens are no expression, or one too large; then `resume` is the token to go on at."""

    resume: int = 0


@dataclass(frozen=True, slots=True)
class Operand:
    """A number that an expression uses; `percent` when it is written as one."""

    value: Rational
    text: str
    start: int
    end: int
    percent: bool = False


@dataclass(slots=True)
class Expression:
    """What was read: `value` is None of a division by zero and of what is too large to compute.

    `end` is the token after it. `unit` are the words behind its last operand, `units` those behind
    any. `lettered` when a letter stands right at a number ("3s"): a unit, or an unknown.
    """

    value: Rational | None
    operands: list[Operand]
    operators: int
    end: int
    unit: str
    percent: bool = False
    lettered: bool = False
    units: set[str] = field(default_factory=set)


def read_expression(tokens: Sequence[Token], place: int) -> Expression:
    """The longest expression that starts at a token. Raises UnreadableError."""
    return _Parser(tokens, place).expression()


def evaluate(text: str) -> Rational | None:
    """The exact value of an expression that is the whole text, units aside; None if it is none."""
    tokens = tokenize(text, 0)
    while tokens and tokens[-1].text in ".!":
        tokens.pop()
    try:
        side = read_expression(tokens, 0)
    except UnreadableError:
        return None
    return side.value if side.end == len(tokens) else None


def _bits(value: Rational) -> int:
    return max(abs(int(value.p)), int(value.q)).bit_length()


def _bounded(value: Rational) -> Rational | None:
    """The value, or None, as for a division by zero, where it has more than MAX_BITS."""
    return value if _bits(value) <= MAX_BITS else None


class _Parser:
    """Recursive descent over tokens: sum, product, power, operand."""

    def __init__(self, tokens: Sequence[Token], place: int) -> None:
        self.tokens, self.place = tokens, place
        self.operands: list[Operand] = []
        self.operators, self.unit, self.percent, self.depth = 0, "", False, 0
        self.lettered, self.units = False, set[str]()

    def expression(self) -> Expression:
        value = self.sum()
        return Expression(
            value, self.operands, self.operators, self.place, self.unit, self.percent,
            self.lettered, self.units,
        )  # fmt: skip

    def peek(self, ahead: int = 0) -> Token | None:
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
        if token.kind in ("number", "open", "fraction") or token.text in ("-", "−", *_ARTICLES):
            return True
        if token.kind == "word" and token.text.lower() in NUMBER_WORDS:
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
        """Factors; only a share ("half", 2/3, 25%) is taken `of` something."""
        self.percent = False
        value = self.power()
        while True:
            share = value is not None and not self.unit and (self.percent or value.q != 1)
            before = self.place
            sign = self.operator("* / of" if share else "* /")
            if sign is None and not self.touching():
                return value
            other = (self.tight_fraction(before) if sign == "/" else None) or self.power()
            self.percent = False
            if value is None or other is None or (sign == "/" and other == 0):
                value = None
            else:
                value = _bounded(value / other if sign == "/" else value * other)

    def touching(self) -> bool:
        """Whether a factor follows without a sign: "2(3 + 4)", "(1/5)90"."""
        last, token = self.tokens[self.place - 1], self.peek()
        if token is None or token.start != last.end:
            return False
        if token.text == "(" and (last.kind == "number" or last.text == ")"):
            return True
        return token.kind == "number" and last.text == ")"

    def tight_fraction(self, sign: int) -> Rational | None:
        """The 1/2 of "7.5 / 1/2": written closer together than the division around it."""
        over, bar, under = self.peek(), self.peek(1), self.peek(2)
        if over is None or bar is None or under is None or bar.text != "/":
            return None
        tight = over.end == bar.start and bar.end == under.start
        spaced = self.tokens[sign].end < over.start
        if not (tight and spaced and over.value is not None and under.value):
            return None
        self.place += 3
        self.operands += [Operand(t.value, t.text, t.start, t.end) for t in (over, under)]
        self.skip_unit()
        return over.value / under.value

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
        while token is not None and token.kind == "word" and token.text in _ARTICLES:
            self.place += 1
            token = self.peek()
        if len(self.operands) > MAX_OPERANDS:
            error = UnreadableError()
            error.resume = self.place
            raise error
        if token is None or self.depth > MAX_DEPTH:
            raise UnreadableError
        if token.kind == "operator" and token.text in "-−":
            self.place += 1
            self.depth += 1
            value = self.operand()
            self.depth -= 1
            return None if value is None else -value
        if token.kind == "open":
            return self.bracket()
        if token.kind == "fraction":
            return self.fraction()
        value = token.value
        if token.kind == "word" and token.text.lower() in NUMBER_WORDS:
            value = Rational(*NUMBER_WORDS[token.text.lower()])
        if value is None:
            raise UnreadableError
        self.place += 1
        return self.marked(value, token)

    def marked(self, value: Rational, token: Token) -> Rational:
        """The operand with its percent sign, its fraction ("3\\frac{1}{2}") and its unit."""
        after = self.peek()
        percent = after is not None and after.kind == "percent"
        self.place += percent
        self.percent = percent
        self.operands.append(Operand(value, token.text, token.start, token.end, percent))
        if after is not None and after.kind == "fraction" and after.start == token.end:
            part = self.fraction()
            if part is None:
                raise UnreadableError
            return value + part
        self.skip_unit()
        return value / 100 if percent else value

    def fraction(self) -> Rational | None:
        self.place += 1
        over, under = self.bracket("{"), self.bracket("{")
        self.percent = False
        self.skip_unit()
        return None if over is None or not under else _bounded(over / under)

    def bracket(self, opening: str = "({") -> Rational | None:
        token = self.peek()
        if token is None or token.text not in opening or self.depth > MAX_DEPTH:
            raise UnreadableError
        self.place += 1
        self.depth += 1
        value = self.sum()
        token = self.peek()
        if token is None or token.kind != "close":
            raise UnreadableError
        self.place += 1
        self.depth -= 1
        if opening != "{":
            self.skip_unit()
        return value

    def skip_unit(self) -> None:
        """Step over the words of a unit: "boxes", "cookies per box", "km / h"."""
        words: list[str] = []
        while (token := self.peek()) is not None and len(words) < UNIT_WORDS:
            following = self.peek(1)
            if token.kind == "operator" and token.text == "/" and _is_word(following):
                self.place += 1
                continue
            if not _is_word(token) or (token.text.lower() in NUMBER_WORDS and words):
                break
            if len(token.text) == 1:
                before = self.tokens[self.place - 1]
                self.lettered |= before.kind == "number" and before.end == token.start
                if token.text in "rR":
                    words.append("r")
                    self.place += 1
                    break
                if token.text not in _UNIT_LETTERS:
                    raise UnreadableError
            words.append(token.text)
            self.place += 1
        self.unit = " ".join(words)
        self.units.update(word.lower() for word in words)


def _is_word(token: Token | None) -> bool:
    return token is not None and token.kind == "word"
