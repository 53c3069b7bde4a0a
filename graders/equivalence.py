"""Are two final answers the same, however they are written? Exact values, then Math-Verify."""

import logging
import re
from functools import lru_cache
from itertools import accumulate
from threading import Lock
from typing import Final

from sympy import Rational

from graders.amount import MAX_CHARS, Amount, amount_of
from graders.final_answer import BOXED, HASHES, NUMBER, answer_in
from graders.hedging import is_hedged

MAX_NESTING: Final = 12
_VERIFYING: Final = Lock()
"""Math-Verify's parser shares its caches, and answers are compared in several threads."""
FLOAT_DIGITS: Final = 9
"""Decimals from which on a number is a computer's, and is compared as one to so many digits."""
_TOWER = re.compile(
    r"(?:\^|\*\*).*(?:\^|\*\*)|(?:\^|\*\*)\s*\{?\(?\s*\d{3,}|\d{25,}|!(?!=)"
    r"|\\(?:[dt]?binom|sum|prod|i*nt|lim|[gG]amma|zeta)\b|\b(?:factorial|gamma|binomial)\b",
    re.IGNORECASE,
)
_OPTION = re.compile(r"\(?([A-Z])\)?(?=$|[\s.:,])(?!\)?\s*(?:,|or\b|and\b)\s*(?:or\s+)?\(?[A-Z]\b)")
_YES_NO = re.compile(r"(yes|no)\b(?!\s+or\s+(?:yes|no)\b)", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^(?:a:(?=\s*[-$€£.\d])|(?:the\s+)?(?:final\s+)?answer\s*(?:\([^()]*\)\s*)?(?:is|:)\s*:?)\s*",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"^(?:most likely|probably)\s+", re.IGNORECASE)
_LATEX_NOISE = re.compile(r"\\(?:left|right|displaystyle|[!,;: ])|\\[()\[\]]|\$")
_WORDED = re.compile(
    r"(?<!\\)\b(?!and\b|or\b|pi\b|sqrt\b|sin\b|cos\b|tan\b|log\b|ln\b)[a-zA-Z]{3,}"
)
_RELATION = re.compile(
    r"\\(?:n?leq?|n?geq?|neq?|l[et]|g[et]|leqslant|geqslant)(?![a-zA-Z])|[<>≤≥≠]"
)
_SIGNS: Final = (
    (re.compile(r"\\neq?\b|≠"), "!="),
    (re.compile(r"\\le(?:q|qslant)?\b|≤"), "<="),
    (re.compile(r"\\ge(?:q|qslant)?\b|≥"), ">="),
    (re.compile(r"\s*\\?text\s*\{\s*(?:and|or)\s*\}\s*|\s+and\s+|\s*\\quad\s*,?\s*"), ", "),
    (re.compile(r",\s*,"), ","),
)


def same_answer(gold: str, given: str) -> bool:
    """Whether two answers are equal in value; units count where both have one.

    25% equals both 25 and 1/4, 25 cents both 25 and $0.25, 5 dozen both 60 and 5.

    A single letter is an option: "(B)", "B, a goat" and "B." are the option B, "A, B or C" is
    none. Raises nothing: what no reading understands is compared as folded text.
    """
    gold, given = _bare(gold), _bare(given)
    if _folded(gold) == _folded(given):
        return bool(gold)
    if re.fullmatch(r"[A-Z]", gold) or _YES_NO.fullmatch(gold):
        chosen = (_OPTION if len(gold) == 1 else _YES_NO).match(given)
        return chosen is not None and chosen[1].casefold() == gold.casefold()
    mine, theirs = amount_of(gold), amount_of(given)
    if mine is not None and theirs is not None:
        return mine.equals(theirs) or _print_alike(mine, theirs, gold, given)
    if (mine or theirs) and _tells_no_number(given if mine else gold):
        return False
    return _verify(gold, given)


def _print_alike(mine: Amount, theirs: Amount, gold: str, given: str) -> bool:
    long = rf"\.\d{{{FLOAT_DIGITS},}}"
    printed = re.search(long, gold) or re.search(long, given)
    if not printed or mine.is_alien_to(theirs):
        return False
    distance = abs(mine.value - theirs.value) * 10**FLOAT_DIGITS
    return bool(distance <= max(1, abs(mine.value)))


def _tells_no_number(text: str) -> bool:
    """Whether a text without an amount can't be a formula of one either: prose, a bound."""
    if len(text) > MAX_CHARS:
        return True
    if "\\" in text:
        return bool(_RELATION.search(text))
    hedged = (is_hedged(text, *number.span()) for number in NUMBER.finditer(text))
    return bool(_WORDED.search(text)) or any(hedged)


def _bare(text: str) -> str:
    final = answer_in(text) if BOXED.search(text) or HASHES.search(text) else text
    text = re.sub(r"<<[^<>]*>>|\\!\s*", "", final or "")
    text = re.sub(r"\\(?:text|textbf|mathrm)\s*\{([^{}]*)\}", r" \1", text).strip()
    text = re.sub(r"\b(?:pct|percentage)\b", "%", text)
    text = _HEDGE.sub("", _LEAD_IN.sub("", text))
    return text.strip().rstrip(".").strip("*").strip()


def _folded(text: str) -> str:
    for sign, plain in _SIGNS:
        text = sign.sub(plain, text)
    return re.sub(r"\s+", "", _LATEX_NOISE.sub("", text)).rstrip(".").casefold()


def value_of(text: str) -> Rational | None:
    """The exact value of an answer such as "$1,200.00", "3/4", "25%", "42 apples", "x = 5".

    Also of "twelve", "10 * 2 = 20", and "$20 in her bank after 5 days", which starts with its
    value. None of what has several numbers, none, or one that is denied or only a bound.
    """
    amount = amount_of(_bare(text))
    return None if amount is None else amount.value


def load_math_verify() -> None:
    """Import Math-Verify, which takes seconds; `same_answer` else does it when first in doubt."""
    import math_verify  # noqa: F401


@lru_cache(maxsize=4096)
def _verify(gold: str, given: str) -> bool:
    """Math-Verify's opinion; without its time-outs, which need the main thread's signals.

    What could run long (towers of powers, long numbers, factorials, sums, deep nesting) is refused
    beforehand.
    """
    if any(_is_costly(text) for text in (gold, given)):
        return False
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of time-outs off, each time
    with _VERIFYING:
        pair = [parse(_marked(text), parsing_timeout=None) for text in (gold, given)]
        return all(pair) and bool(verify(*pair, timeout_seconds=None))


def _is_costly(text: str) -> bool:
    if len(text) > MAX_CHARS or _TOWER.search(text):
        return True
    depths = accumulate((c in "{([") - (c in "})]") for c in text)
    return max(depths, default=0) > MAX_NESTING


def _marked(text: str) -> str:
    """A formula between dollar signs, as Math-Verify wants it; prose as it is."""
    if "$" in text or _WORDED.search(text):
        return f"${text}$" if "\\" in text and "$" not in text else text
    for sign, plain in _SIGNS[3:]:
        text = sign.sub(plain, text)
    return f"${text}$"
