"""Are two final answers the same, however they are written? Exact values, then Math-Verify."""

import logging
import re
from functools import lru_cache
from itertools import accumulate
from math import comb, prod
from threading import Lock
from typing import Final

from sympy import Rational

from graders.amount import MAX_CHARS, Amount, amount_of
from graders.final_answer import BOXED, HASHES, NUMBER, answer_in
from graders.hedging import is_hedged
from graders.quantities import UNITS

MAX_NESTING: Final = 12
MAX_POWER: Final = 8
"""The highest power of a sum with letters that is worked out."""
MAX_DEGREE: Final = 4
"""The highest power of a letter in an equation, and of a sum of two under a fraction or beside a
sine, that is worked out."""
MAX_TERMS: Final = 200
"""Terms that a text may come to when its brackets are multiplied out."""
_VERIFYING: Final = Lock()
"""Math-Verify's parser shares its caches, and answers are compared in several threads."""
LONGEST_OF_SPEED: Final = 3600
"""Seconds: a length by no more is a speed; "4 km a day" is 4 km."""
FLOAT_DIGITS: Final = 9
"""Decimals from which on a number is a computer's, and is compared as one to so many digits."""
_TOWER = re.compile(
    r"(?:\^|\*\*).*(?:\^|\*\*)|(?:\^|\*\*)\s*\{?\(?\s*\d{3,}|\d{25,}|!(?!=)"
    r"|\\(?:[dt]?binom|sum|prod|i*nt|lim|[gG]amma|zeta)\b|\b(?:factorial|gamma|binomial)\b",
    re.IGNORECASE,
)
_POWER = re.compile(r"(?P<base>[^\s^*])\s*(?:\^|\*\*)\s*(?P<over>\{[^{}]*\}|\([^()]*\)|-?\s*\d+)")
_NAMELESS = re.compile(r"\\(?:sqrt|[dt]?frac|left|right|cdot|times|div|pm|text)(?![a-zA-Z])")
_LETTER = re.compile(r"[^\W\d_]")
_UNKNOWN = re.compile(r"(?<![^\W\d_])(?<!\\)[a-zA-Z](?![^\W\d_])")
_HARD = re.compile(
    r"/|\\[dt]?frac|\^\s*[{(]?\s*-|÷|\\div|\\[a-z]*(?:sin|cos|tan|sec|csc|cot|log|ln)"
)
_OPTION = re.compile(r"\(?([A-Z])\)?(?=$|[\s.:,])(?!\)?\s*(?:,|or\b|and\b)\s*(?:or\s+)?\(?[A-Z]\b)")
_YES_NO = re.compile(r"(yes|no)\b(?!\s+or\s+(?:yes|no)\b)", re.IGNORECASE)
_YES_NO_ALONE = re.compile(r"(?:^|[.!?,;:—–-]\s*)(yes|no)(?=\s*(?:[.!?,;:]|$))", re.IGNORECASE)
_MONTHS: Final = tuple(
    rf"\d(?:st|nd|rd|th)?,?\s(?:of\s)?{month}\b|\b{month}\.?\s\d"
    for month in (
        "(?i:Jan(?:uary)?)", "(?i:Feb(?:ruary)?)", "(?i:Mar(?:ch)?)", "(?i:Apr(?:il)?)", "May",
        "(?i:June?)", "(?i:July?)", "(?i:Aug(?:ust)?)", "(?i:Sept?(?:ember)?)",
        "(?i:Oct(?:ober)?)", "(?i:Nov(?:ember)?)", "(?i:Dec(?:ember)?)",
    )
)  # fmt: skip
_OTHERS: Final = tuple(
    tuple(re.compile(pattern) for pattern in kind)
    for kind in (
        _MONTHS,
        (r"(?i:\d\s?a\.?m\b)", r"(?i:\d\s?p\.?m\b)"),
        (r"(?i:\bnoon\b)", r"(?i:\bmidnight\b)"),
        (r"\d\s?B\.?C(?:\.?E)?\b", r"\d\s?(?:A\.?D|C\.?E)\b|\bA\.?D\.?\s?\d"),
        (r"(?i:\b(?:profits?|gain(?:s|ed)?)\b)", r"(?i:\b(?:loss(?:es)?|lost)\b)"),
        (r"(?i:\bincreas\w+)", r"(?i:\bdecreas\w+)"),
        (r"(?i:\bnorth)", r"(?i:\bsouth)"),
        (r"(?i:\beast)", r"(?i:\bwest)"),
        (r"(?i:\bclockwise)", r"(?i:\b(?:counter|anti)-?clockwise)"),
    )
)
"""Words of which one is part of the value: of two answers that say others, none is the other."""
_RATE = re.compile(
    r"(?:\D*\d[\d.,]*(?:/\d+)?)?+"
    r"(?:\s?(?!(?:in|for|on|at|to|by|with|than|is|was|within|over|and|or|if)\b)[^\W\d_]++){0,3}"
    r"\s?(?:/\s?|(?<=\s)(?:per|an?|each|every)\s)(?P<unit>[^\W\d_]+)",
    re.IGNORECASE,
)
"""The first number of a text, its unit, and what it is a rate by: "$5 an hour", "60 km/h"."""
_SPEEDS: Final = (
    (re.compile(r"(?<![^\W\d_])mph\b", re.IGNORECASE), " miles per hour"),
    (re.compile(r"(?<![^\W\d_])k(?:m?ph|mh)\b", re.IGNORECASE), " km per hour"),
)
_PER: Final = {**UNITS, "s": UNITS["second"]}
_SPACING = re.compile(r"(?:\\[,;: ]|~)\s*(?=\\(?:text|mathrm|mbox)|[^\W\d_])")
_LEAD_IN = re.compile(
    r"^(?:a:(?=\s*[-−$€£.\d])|(?:the\s+)?(?:final\s+)?answer\s*(?:\([^()]*\)\s*)?(?:is|:)\s*:?)\s*",
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
        said = {word.casefold() for word in _YES_NO_ALONE.findall(given)}
        return chosen is not None and chosen[1].casefold() == gold.casefold() and len(said) < 2
    if _say_others(gold, given):
        return False
    if _has_unknown(gold) and _has_unknown(given):
        return _verify(gold, given)
    mine, theirs = amount_of(gold), amount_of(given)
    if mine is not None and theirs is not None:
        if (rates := _rates(mine, theirs, gold, given)) is not None:
            return rates
        return mine.equals(theirs) or _print_alike(mine, theirs, gold, given)
    if (mine or theirs) and _tells_no_number(given if mine else gold):
        return False
    return _verify(gold, given)


def _has_unknown(text: str) -> bool:
    """Whether it is an equation to be solved, "x + 1 = 0", and not a sum and what it comes to."""
    left, equals, _ = text.partition("=")
    left = re.sub(r"(?<=\d)\s*[xX]\s*(?=\d)", "*", left)
    return bool(equals and re.search(r"[-+*/^]", left) and _UNKNOWN.search(left))


def _say_others(gold: str, given: str) -> bool:
    """Whether they name different months, halves of a day, eras, directions; or dates' numbers."""
    for kind in _OTHERS:
        mine, theirs = ({n for n, word in enumerate(kind) if word.search(t)} for t in (gold, given))
        if mine and theirs and not mine & theirs:
            return True
        if mine and theirs and kind is _OTHERS[0]:
            dates = [{int(n) for n in re.findall(r"\d{1,4}", text)} for text in (gold, given)]
            return not (dates[0] <= dates[1] or dates[1] <= dates[0])
    return False


def _rates(mine: Amount, theirs: Amount, gold: str, given: str) -> bool | None:
    """Whether two rates are equal, "60 km/h" and "1 km per minute"; None where neither is one.

    Answers seldom repeat "a week" or "per pound"; but "5 km" is another thing than "5 km/h".
    """
    units = [_rate_unit(text) for text in (gold, given)]
    if units[0] and units[1]:
        (kind, size), (other_kind, other_size) = units[0], units[1]
        if kind != other_kind or mine.is_alien_to(theirs):
            return False
        both = mine.dimension is not None and theirs.dimension is not None
        one, other = (a.base if both else a.value for a in (mine, theirs))
        return one is not None and other is not None and bool(one * other_size == other * size)
    plain, per = (theirs, units[0]) if units[0] else (mine, units[1])
    speed = per is not None and per[0] == "time" and per[1] <= LONGEST_OF_SPEED
    return False if speed and plain.dimension == "length" else None


def _rate_unit(text: str) -> tuple[str, Rational] | None:
    match = _RATE.match(text)
    unit = _PER.get(match["unit"].lower()) if match else None
    return unit and (unit[0], Rational(unit[1].numerator, unit[1].denominator))


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
    text = re.sub(r"<<[^<>]*>>|\\!\s*", "", final or "").replace("−", "-")
    text = _SPACING.sub(" ", text)
    text = re.sub(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}", r" \1", text)
    for speed, spelled in _SPEEDS:
        text = speed.sub(spelled, text)
    text = re.sub(r"\s+", " ", text).strip()
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

    What could run long (towers and high powers, long numbers, factorials, sums, many terms, deep
    nesting) is refused beforehand.
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
    return max(depths, default=0) > MAX_NESTING or _is_long_worked_out(text)


def _is_long_worked_out(text: str) -> bool:
    """Whether brackets with letters come to many terms, or an equation to a high degree."""
    if not _LETTER.search(_NAMELESS.sub("", text)):
        return False
    power, over = _POWER.search(text), 1
    if power is not None and not power["base"].isdigit():
        over = prod(int(n) + 1 for n in re.findall(r"\d+", power["over"])) - 1
        if over > MAX_DEGREE and re.search(r"[=<>≤≥≠]|\\[lgn]e", text):
            return True
    groups = _sums(text)
    limit = MAX_POWER
    if _HARD.search(text):
        limit = MAX_DEGREE if all(n < 3 for _, n in groups) else 2
    if over > limit and (groups or (power and power["base"] == "|")):
        return True
    raised = power.start() if power else -1
    return prod(comb(over + n - 1, n - 1) if at <= raised else n for at, n in groups) > MAX_TERMS


def _sums(text: str) -> list[tuple[int, int]]:
    """Where each bracket that holds a sum ends, and of how many terms."""
    groups, signs = list[tuple[int, int]](), [0]
    for at, char in enumerate(text):
        if char in "{([":
            signs.append(0)
        elif char in "})]" and len(signs) > 1:
            if terms := signs.pop():
                groups.append((at, terms + 1))
        elif char in "+-±" and text[:at].rstrip()[-1:] not in "{([,":
            signs[-1] += 1
    return groups


def _marked(text: str) -> str:
    """A formula between dollar signs, as Math-Verify wants it; prose as it is."""
    if "$" in text or _WORDED.search(text):
        return f"${text}$" if "\\" in text and "$" not in text else text
    for sign, plain in _SIGNS[3:]:
        text = sign.sub(plain, text)
    return f"${text}$"
