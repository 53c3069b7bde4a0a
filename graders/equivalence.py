"""Are two final answers the same, however they are written? Exact values, then Math-Verify."""

import logging
import re
from functools import lru_cache
from itertools import accumulate
from typing import Final

from sympy import Rational

from graders.expressions import evaluate
from graders.final_answer import BOXED, HASHES, NUMBER, answer_in
from graders.quantities import find_quantities

MAX_CHARS: Final = 200
MAX_NESTING: Final = 12
FLOAT_DIGITS: Final = 9
"""Decimals from which on a number is a computer's, and is compared as one to so many digits."""
_TOWER = re.compile(
    r"(?:\^|\*\*).*(?:\^|\*\*)|(?:\^|\*\*)\s*\{?\(?\s*\d{3,}|\d{25,}|!(?!=)"
    r"|\\(?:[dt]?binom|sum|prod|i*nt|lim|[gG]amma|zeta)\b|\b(?:factorial|gamma|binomial)\b",
    re.IGNORECASE,
)
_MONEY_CENTS = re.compile(r"(?:^|\s)(\d+(?:\.\d+)?)\s*cents?\b", re.IGNORECASE)
_STARTS_WITH_VALUE = re.compile(
    r"(-?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?)[ ]"
    r"(?!(?:or|and|to|plus|minus|times)\b)[a-zA-Z](?!.*(?:\b(?:and|or)|,)\s[$€£]?\d)"
)
_GROUPED = re.compile(r"-?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:\.\d+)?")
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
_SIGNS: Final = (
    (re.compile(r"\\neq?\b|≠"), "!="),
    (re.compile(r"\\le(?:q|qslant)?\b|≤"), "<="),
    (re.compile(r"\\ge(?:q|qslant)?\b|≥"), ">="),
    (re.compile(r"\s*\\?text\s*\{\s*(?:and|or)\s*\}\s*|\s+and\s+|\s*\\quad\s*,?\s*"), ", "),
    (re.compile(r",\s*,"), ","),
)


def same_answer(gold: str, given: str) -> bool:
    """Whether two answers are equal in value; units aside, 25% equals both 25 and 1/4.

    A single letter is an option: "(B)", "B, a goat" and "B." are the option B, "A, B or C" is
    none. Raises nothing: what no reading understands is compared as folded text.
    """
    gold, given = _bare(gold), _bare(given)
    if _folded(gold) == _folded(given):
        return bool(gold)
    if re.fullmatch(r"[A-Z]", gold) or _YES_NO.fullmatch(gold):
        chosen = (_OPTION if len(gold) == 1 else _YES_NO).match(given)
        return chosen is not None and chosen[1].casefold() == gold.casefold()
    mine, theirs = value_of(gold), value_of(given)
    if mine is not None and theirs is not None:
        return _equal(mine, theirs, gold, given) or _percent_of(gold, given, mine, theirs)
    return _verify(gold, given)


def _equal(mine: Rational, theirs: Rational, gold: str, given: str) -> bool:
    if mine == theirs:
        return True
    long = rf"\.\d{{{FLOAT_DIGITS},}}"
    printed = re.search(long, gold) or re.search(long, given)
    return bool(printed and abs(mine - theirs) * 10**FLOAT_DIGITS <= max(1, abs(mine)))


def _percent_of(gold: str, given: str, mine: Rational, theirs: Rational) -> bool:
    in_percent = [bool(re.search(r"%|\bpercent\b|\bpct\b", text)) for text in (gold, given)]
    if in_percent == [True, False]:
        return bool(mine * 100 == theirs or mine == theirs * 100)
    if in_percent == [False, True]:
        return bool(theirs * 100 == mine or theirs == mine * 100)
    return False


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
    value. None of what has several numbers, or none.
    """
    text = _bare(text)
    if len(text) > MAX_CHARS:
        return None
    if _GROUPED.fullmatch(text):
        return evaluate(re.sub(r"\s", "", text))
    value = evaluate(re.sub(r"^[A-Za-z]\w*\s*=\s*", "", text))
    if value is None and "\\" not in text and not re.search(r"[<>≤≥≠]", text):
        value = _told(text.rpartition("=")[2].strip())
    if value is not None and _MONEY_CENTS.search(text):
        return value / 100
    return value


def _told(text: str) -> Rational | None:
    """The one value that a phrase tells, or the one that it starts with."""
    value = evaluate(text)
    if value is not None:
        return value
    numbers = NUMBER.findall(text)
    if len(numbers) == 1:
        return evaluate(numbers[0])
    if numbers:
        lead = _STARTS_WITH_VALUE.match(text)
        return evaluate(lead[1]) if lead else None
    spelled = [quantity for quantity in find_quantities(text) if not quantity.ordinal]
    return Rational(int(spelled[0].value)) if len(spelled) == 1 else None


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
