"""Are two final answers the same, however they are written? Exact values, then Math-Verify."""

import logging
import re
from functools import lru_cache
from typing import Final

from sympy import Rational

from graders.arithmetic import evaluate

MAX_CHARS: Final = 200
_ANSWER = re.compile(
    r"(?:^|\n)[ \t>*]*(?:the[ \t]+)?(?:final[ \t]+)?answer(?:[ \t]+is)?[ \t]*[:=]?\**[ \t]*"
    r"([^\n]+)",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_HASHES = re.compile(r"(?<!#)####\s*+([^\n]+)")
_NUMBER = re.compile(r"-?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?\s?%?")
_TOWER = re.compile(
    r"(?:\^|\*\*).*(?:\^|\*\*)|(?:\^|\*\*)\s*\{?\(?\s*\d{3,}|\d{25,}|!"
    r"|\\(?:[dt]?binom|sum|prod|i*nt|lim|[gG]amma|zeta)\b|\b(?:factorial|gamma|binomial)\b",
    re.IGNORECASE,
)
_MONEY_CENTS = re.compile(r"(?:^|\s)(\d+(?:\.\d+)?)\s*cents?\b", re.IGNORECASE)


def answer_in(text: str) -> str | None:
    """The final answer of a reply: its `Answer:` line, box or `####`, else its last number."""
    for pattern in (_BOXED, _HASHES, _ANSWER):
        found = pattern.findall(text)
        if found:
            return str(found[-1]).strip().strip("*").strip()
    numbers = _NUMBER.findall(text)
    return numbers[-1].strip() if numbers else None


def same_answer(gold: str, given: str) -> bool:
    """Whether two answers are equal in value; units aside, 25% equals both 25 and 1/4.

    Raises nothing: what neither reading understands is compared as folded text.
    """
    gold, given = _bare(gold), _bare(given)
    if gold.casefold() == given.casefold():
        return bool(gold)
    mine, theirs = value_of(gold), value_of(given)
    if mine is not None and theirs is not None:
        return mine == theirs or _percent_of(gold, given, mine, theirs)
    return _verify(gold, given)


def _percent_of(gold: str, given: str, mine: Rational, theirs: Rational) -> bool:
    if "%" in gold and "%" not in given:
        return bool(mine * 100 == theirs)
    if "%" in given and "%" not in gold:
        return bool(theirs * 100 == mine)
    return False


def _bare(text: str) -> str:
    final = answer_in(text) if _BOXED.search(text) or _HASHES.search(text) else text
    text = re.sub(r"\\text\{([^{}]*)\}", r" \1", final or "").strip()
    text = re.sub(r"^(?:the\s+)?(?:final\s+)?answer\s*(?:is|:)\s*", "", text, flags=re.IGNORECASE)
    return text.strip().rstrip(".").strip("*").strip()


def value_of(text: str) -> Rational | None:
    """The exact value of an answer such as "$1,200.00", "3/4", "25%", "42 apples", "x = 5"."""
    text = _bare(text)
    if len(text) > MAX_CHARS:
        return None
    value = evaluate(re.sub(r"^[A-Za-z]\w*\s*=\s*", "", text))
    if value is None:
        numbers = _NUMBER.findall(text)
        value = evaluate(numbers[0]) if len(numbers) == 1 and "\\" not in text else None
    if value is not None and _MONEY_CENTS.search(text):
        return value / 100
    return value


def load_math_verify() -> None:
    """Import Math-Verify, which takes seconds; `same_answer` else does it when first in doubt."""
    import math_verify  # noqa: F401


@lru_cache(maxsize=4096)
def _verify(gold: str, given: str) -> bool:
    """Math-Verify's opinion; without its time-outs, which need the main thread's signals.

    What could run long (towers of powers, long numbers, factorials, sums) is refused beforehand.
    """
    if any(len(text) > MAX_CHARS or _TOWER.search(text) for text in (gold, given)):
        return False
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of time-outs off, each time
    pair = [parse(_marked(text), parsing_timeout=None) for text in (gold, given)]
    return all(pair) and bool(verify(*pair, timeout_seconds=None))


def _marked(text: str) -> str:
    return f"${text}$" if "\\" in text and "$" not in text else text
