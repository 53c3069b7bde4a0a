"""Cuts a text into what arithmetic is made of: numbers, operators, brackets, words, equals."""

import re
from dataclasses import dataclass
from typing import Final

from sympy import Rational

MAX_DIGITS: Final = 24
"""Longer numbers are no numbers to us."""
_GLYPHS: Final = {"½": (1, 2), "¼": (1, 4), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3), "⅕": (1, 5)}
_TOKEN = re.compile(
    r"""(?P<skip>[\s\u00a0]+|\\[()\[\],;:!]|\\[ ]|\\(?:boxed|left|right|quad)|\\?\$|[€£]
        |\\text\s*\{[^{}]*\})
    |(?P<fraction>\\[dt]?frac(?![a-zA-Z]))
    |(?P<mixed>\d+[ ](?:and[ ])?\d+/\d+(?![\d/]))
    |(?P<ordinal>\d+(?:st|nd|rd|th)\b)
    |(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\w)\.\d+)
    |(?P<glyph>[½¼¾⅓⅔⅕])
    |(?P<percent>\\?%|percent\b)
    |(?P<power>[²³])
    |(?P<operator>\*\*|[-+*/^×·∗÷−–]|(?<=[\d)\s%])[xX](?=\s*[\d($.])|\\(?:times|cdot|div)\b
        |\b(?:plus|minus|times|divided\ by|multiplied\ by|of)\b)
    |(?P<equals>=|≈|≃|\b(?:equals|is\ equal\ to|is|makes|gives)\b)
    |(?P<open>[({])|(?P<close>[)}])
    |(?P<word>[^\W\d_][\w'’]*(?:-[^\W\d_]+)*)
    |(?P<command>\\[a-zA-Z]+|[√∛])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text with its offsets; `value` where it is a number."""

    kind: str
    text: str
    start: int
    end: int
    value: Rational | None = None


def tokenize(text: str, offset: int) -> list[Token]:
    """The tokens of a text whose first character has this offset; white space is left out."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        start, end = offset + match.start(), offset + match.end()
        if kind == "skip":
            if "\n" in match[0] and tokens:
                tokens.append(Token("other", "\n", start, end))
            continue
        value = None
        if kind in ("number", "mixed", "glyph"):
            value = _number(match[0])
            kind = "number" if value is not None else "other"
        elif kind == "ordinal":
            kind = "word"
        tokens.append(Token(kind, match[0], start, end, value))
    return tokens


def _number(text: str) -> Rational | None:
    if text in _GLYPHS:
        return Rational(*_GLYPHS[text])
    if len(text) > MAX_DIGITS:
        return None
    whole, _, part = text.rpartition(" ")
    if "/" in part:
        over, under = part.split("/")
        count = int(whole.removesuffix(" and"))
        return None if int(under) == 0 else Rational(count) + Rational(int(over), int(under))
    return Rational(text.replace(",", ""))
