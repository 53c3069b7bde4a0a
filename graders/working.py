"""Checks a worked solution against its problem: steps, operands, final answer, unit.

Steps are recomputed in any solution. The stricter checks trace every number to the problem or to an
earlier step: they fit a working whose recipe asks for just that, not one written as people do.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sympy import Rational

from graders.arithmetic import Equation, find_equations
from graders.equivalence import same_answer, value_of
from graders.expressions import Operand
from graders.problem_validity import find_flaws, impossible_answer, is_word_problem
from graders.quantities import FRACTIONS, UNITS, find_quantities, spelled_value

CONSTANTS: Final[tuple[tuple[int, str], ...]] = (
    (1, r""),
    (2, r"\b(?:twice|double\w*|half|halve\w*|pairs?|both|couple|two|each way|round trip)\b"),
    (3, r"\b(?:triple\w*|thrice|third|thirds|feet|yards?)\b"),
    (4, r"\b(?:quarters?|fourths?|quadruple\w*|gallons?|square|sides)\b"),
    (5, r"\b(?:fifths?|nickels?|weekdays?|workdays?|school (?:days?|week))\b"),
    (7, r"\b(?:weeks?|weekly|daily|days?)\b"),
    (10, r"\b(?:tenths?|dimes?|decades?)\b"),
    (12, r"\b(?:dozens?|months?|monthly|years?|yearly|annual\w*|inch\w*|feet|foot)\b"),
    (24, r"\b(?:hours?|hourly|days?|daily)\b"),
    (25, r"\bquarters?\b"),
    (30, r"\bmonths?\b"),
    (52, r"\b(?:weeks?|weekly|years?)\b"),
    (60, r"\b(?:minutes?|hours?|hourly|seconds?)\b"),
    (100, r"%|\b(?:percent\w*|cents?|centimet\w+|cm|met(?:er|re)s?|dollars?|century)\b|\$"),
    (365, r"\b(?:years?|yearly|days?)\b"),
    (1000, r"\b(?:kilo\w*|kg|km|grams?|met(?:er|re)s?|lit(?:er|re)s?|milli\w+|ml|tons?|tonnes?)\b"),
    (3600, r"\b(?:hours?|seconds?)\b"),
)
"""Numbers that a solution may use unannounced, where problem or solution speak of such things."""

_TWICE: Final = {"twice": 2, "double": 2, "doubled": 2, "triple": 3, "tripled": 3, "thrice": 3}
_FRACTION = re.compile(
    r"\b(?:(one|two|three|four|five|seven|a)[ -])?"
    r"(half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|eighths?|tenths?)\b", re.IGNORECASE
)  # fmt: skip
_TOPS: Final = {"one": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "seven": 7}
_ASKED = re.compile(r"(?<![^.!?])[^.!?]*+\?")
_COUNTED = re.compile(
    r"\bhow many\s+(?:more\s+|fewer\s+)?(?!(?:in|of|are|is|does|do|did|will|were|was|has|have|can|"
    r"altogether)\b)[a-z]"
)
_DOZENS = re.compile(r"\b(\d{1,6}) dozen\b")
_TWO_OF_A_KIND = re.compile(r"\b(?:square\w*|cube\w*|cubic|area|by)\b", re.IGNORECASE)
_TWO_ALIKE = re.compile(
    r"\b(?:two|twice|double\w*|both|same|each|every|again|another|half|combined|together|twins?|"
    r"pairs?|round trip|and back)\b",
    re.IGNORECASE,
)
_ASKED_LAST = re.compile(r"(?:^|[.?!]\s)(?P<last>[^.?!]*\?)\s*$")
_SUPPOSES = re.compile(r"\d|\b(?:[Ii]f|[Ss]uppose|[Gg]iven|[Aa]ssuming)\b")
_PERSON = re.compile(r"(?<=\b(?:does|with) )[A-Z][a-z]+\b|(?<=\bbill for )[A-Z][a-z]+\b")
_KIN: Final = frozenset("dad daddy mom mommy mum grandma grandpa grandmother grandfather".split())
_TITLES: Final = frozenset("mr mrs ms miss dr".split())
_LETTERS = re.compile(r"[^\W\d_]+")
_RATIO = re.compile(r"(?<![\d/])(\d{1,6})/(\d{1,6})(?![\d/])")
_CURRENCY_CUE = re.compile(
    r"\b(?:how much|dollars?|cents?|money|cost\w*|pay\w*|price\w*|spen[dt]\w*|earn\w*|euros?|"
    r"pounds?|bill|change|profit|saved?|raised?|owe\w*|total)\b|[$€£]", re.IGNORECASE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a working; `start` is an offset in the part named by `where`."""

    check: str
    quote: str
    reason: str
    where: str = "body"
    start: int | None = None
    against: str | None = None


def check_working(
    question: str | None, body: str, answer: str | None, *, traced: bool = True
) -> list[Fault]:
    """Every fault of a worked solution and of its problem; an empty list if none was found.

    `traced`: each operand must come from the problem or an earlier step, most numbers of the
    problem must be used, no single result may be squared, and `answer` must be the last result,
    in the unit that is asked for; who is asked about must have been named before.
    A question that is not traced is searched for flaws if it is a word problem, not a plain one.
    """
    equations = find_equations(body)
    faults = [*check_steps(body)]
    if question is not None:
        flaws = find_flaws(question) if traced or is_word_problem(question) else []
        faults += [Fault("problem", f.quote, f.reason, "question", f.start) for f in flaws]
        if answer is not None:
            faults += _impossible(question, answer)
    if traced and question is not None:
        faults += _operands(question, body, equations)
        faults += _unused(question, equations)
        faults += _on_both_sides(question, equations)
        faults += _unknown_person(question)
    if traced and answer is not None:
        faults += _final(equations, answer)
        faults += _unit(question or "", answer)
    return faults


def check_steps(body: str) -> Iterator[Fault]:
    """The equations of a working that do not hold when they are recomputed."""
    for equation in find_equations(body):
        if equation.holds:
            continue
        right = "undefined" if equation.value is None else show(equation.value)
        reason = f"the left side comes to {right}, not {equation.result.text}"
        left = equation.text[: equation.result.start - equation.start].rstrip("=≈ $")
        yield Fault("step", equation.text, reason, "body", equation.start, f"{left} = {right}")


def _impossible(question: str, answer: str) -> Iterator[Fault]:
    value = value_of(answer)
    reason = None if value is None else impossible_answer(question, _fraction(value))
    if reason is not None:
        yield Fault("answer", answer, reason, "answer")


def show(value: Rational) -> str:
    """A value as people write it: 42, 2.5, 1/3."""
    number = Fraction(int(value.p), int(value.q))
    if number.denominator == 1:
        return str(number.numerator)
    short = float(number)
    return f"{short:g}" if Fraction(f"{short:g}") == number else str(number)


def given_values(question: str) -> dict[Fraction, str]:
    """The numbers of a problem, in digits or words, with how the problem writes them."""
    values: dict[Fraction, str] = {}
    for quantity in find_quantities(question):
        before, dozen, _ = quantity.text.lower().partition(" dozen")
        values[abs(quantity.value)] = quantity.text
        count = spelled_value(re.split(r"[ -]", before)) if dozen else None
        if count:
            del values[abs(quantity.value)]
            values |= {Fraction(count): quantity.text}
    for count in _DOZENS.findall(question):
        values[Fraction(count)] = count
    for top, bottom in _RATIO.findall(question):
        values |= {Fraction(int(top)): top, Fraction(int(bottom)): bottom}
    return values


def _derived(question: str) -> set[Fraction]:
    """What a problem gives without naming the number: fractions in words, twice, complements."""
    values: set[Fraction] = set()
    lowered = question.lower()
    values |= {Fraction(n) for word, n in _TWICE.items() if re.search(rf"\b{word}\b", lowered)}
    for top, name in _FRACTION.findall(lowered):
        single = {"halves": "half", "fourth": "quarter", "fourths": "quarter"}.get(name)
        part = FRACTIONS[single or name.rstrip("s")] * _TOPS.get(top, 1)
        values |= {part, Fraction(part.numerator), Fraction(part.denominator), 1 - part}
    for top, bottom in _RATIO.findall(question):
        if int(bottom):
            part = Fraction(int(top), int(bottom))
            values |= {part, 1 - part, Fraction((1 - part).numerator)}
    for quantity in find_quantities(question):
        if quantity.dimension == "percent":
            share = abs(quantity.value)
            part = share / 100
            values |= {part, 1 - part, 1 + part, 100 - share, 100 + share}
    return values


def _operands(question: str, body: str, equations: Sequence[Equation]) -> Iterator[Fault]:
    known = set(given_values(question)) | _derived(question)
    known |= _constants(f"{question}\n{body}")
    for equation in equations:
        for operand in equation.operands:
            if not _values(operand) & known:
                reason = f"{operand.text} is not given in the problem and was not computed before"
                yield Fault("operand", operand.text, reason, "body", operand.start)
                break
        if equation.checked:
            known |= _values(equation.result)
            if equation.value is not None and equation.holds:
                known.add(abs(_fraction(equation.value)))


def _constants(text: str) -> set[Fraction]:
    return {Fraction(n) for n, cue in CONSTANTS if re.search(cue, text, re.IGNORECASE)}


def _fraction(value: Rational) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _values(operand: Operand) -> set[Fraction]:
    value = abs(_fraction(operand.value))
    return {value, value * 100, value / 100} if operand.percent else {value}


def _unused(question: str, equations: Sequence[Equation]) -> Iterator[Fault]:
    given = given_values(question)
    used = {v for e in equations for o in e.operands for v in _values(o)}
    unused = [text for value, text in given.items() if value not in used and value > 1]
    if equations and len(unused) * 2 > len(given):
        listed = ", ".join(unused)
        yield Fault(
            "problem", listed, f"most numbers of the problem go unused: {listed}", "question"
        )


def _on_both_sides(question: str, equations: Sequence[Equation]) -> Iterator[Fault]:
    """A result multiplied by itself or added to itself: `6 * 6`, where one step came to 6 and there
    are no two.
    """
    given = set(given_values(question)) | _derived(question) | _constants(question)
    results: Counter[Fraction] = Counter()
    for equation in equations:
        one, *others = [abs(_fraction(operand.value)) for operand in equation.operands]
        squared = equation.value == one * one and not _TWO_OF_A_KIND.search(question)
        doubled = equation.value == one + one and not _TWO_ALIKE.search(question)
        alone = others == [one] and one > 1 and results[one] == 1
        if alone and one not in given and (squared or doubled):
            reason = f"the one result {equation.operands[0].text} stands on both sides"
            yield Fault("step", equation.text, reason, "body", equation.start)
        results.update(_values(equation.result))


def _unknown_person(question: str) -> Iterator[Fault]:
    asked = _ASKED_LAST.search(question)
    if asked is None or _SUPPOSES.search(asked["last"]) or find_quantities(asked["last"]):
        return
    told = Counter(word.casefold() for word in _LETTERS.findall(question))
    for match in _PERSON.finditer(asked["last"]):
        name = match[0].casefold()
        if told[name] == 1 and name not in _KIN and name not in _TITLES:
            start = asked.start("last") + match.start()
            yield Fault("problem", match[0], f"nothing is told of {match[0]}", "question", start)


def _final(equations: Sequence[Equation], answer: str) -> Iterator[Fault]:
    if not equations:
        yield Fault("answer", answer, "the solution computes nothing that the answer could rest on",
                    "answer")  # fmt: skip
        return
    last = equations[-1].result
    given = value_of(answer)
    shown = last.text + ("%" if last.percent else "")
    equal = given == last.value if given is not None else same_answer(shown, answer)
    if not equal and not same_answer(shown, answer) and not _cents(answer, last.value):
        reason = f"the answer is not the last computed result, {shown}"
        yield Fault("answer", answer, reason, "answer", None, equations[-1].text)


def _cents(answer: str, last: Rational) -> bool:
    given = value_of(answer)
    return "cent" in answer.lower() and given is not None and bool(given * 100 == last)


def _unit(question: str, answer: str) -> Iterator[Fault]:
    """A unit in the answer may not be one that the problem speaks of but does not ask for."""
    asked = " ".join(_ASKED.findall(question)).lower()
    words = [
        w for w in _LETTERS.findall(answer.lower()) if w not in ("the", "is", "answer", "text")
    ]
    if not asked or not words or not re.search(r"\d", answer):
        return
    asked_stems = {_singular(w) for w in _LETTERS.findall(asked)}
    dimensions = {UNITS[w][0] for w in _LETTERS.findall(asked) if w in UNITS and len(w) > 1}
    told = {_singular(w) for w in _LETTERS.findall(question.lower())}
    for word in words:
        if _singular(word) in asked_stems:
            return
        dimension = UNITS[word][0] if word in UNITS else None
        if dimension in ("dollar", "euro") and _CURRENCY_CUE.search(asked):
            return
        clash = bool(dimension and dimensions and dimension not in dimensions)
        if clash or (_singular(word) in told and _COUNTED.search(asked)):
            what = " ".join(asked.split())
            reason = f"the unit {word!r} is not what the problem asks for: {what!r}"
            yield Fault("unit", answer, reason, "answer", None, what)
            return


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "oes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
