"""Held-out sources whose truth is known, and the verdict of the oracles on text made from them.

Graders never see any of this: they get the rendered source, the oracles keep its semantics.
"""

import operator
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from graders.types import Source
from workers.recipes import SHIPPED, MalformedTextError
from workers.recipes.base import Parsed
from workers.tiny.corpus import problem_oracle, problems, sheet_oracle, sheets
from workers.tiny.corpus.problems import Problem
from workers.tiny.corpus.sheets import Sheet

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_VALUE = r"\d+(?:\.\d+)?"
_EQUATION = re.compile(
    rf"(?<![\d./$])(?<![-+*/=] )\$?(?P<left>\d+/\d+|{_VALUE}%?) (?P<sign>[-+*/]|of) "
    rf"\$?(?P<right>{_VALUE}) = \$?(?P<result>{_VALUE})"
)
"""Two numbers and what they come to; the end of a longer sum is none."""
_COMPUTE: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "of": operator.mul,
}


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source and what it was rendered from."""

    source: Source
    known: Sheet | Problem


@dataclass(frozen=True, slots=True)
class Truth:
    """The oracle's verdict. `wrong` is any fault, `misstated` a fact or an answer that is false.

    They differ where the oracle is undecided: the wording is beyond its grammar (a garbled
    sentence), or not what was asked for. That counts as wrong, and may hide something false.
    """

    wrong: bool
    misstated: bool
    reason: str = ""


RIGHT = Truth(False, False)


def _topic(rng: random.Random, index: int) -> KnownSource:
    problem = problems.compose_problem(rng, "held_out")
    return KnownSource(Source(f"topic-{index}", problems.render_topic(problem)), problem)


def _sheet(rng: random.Random, index: int) -> KnownSource:
    sheet = sheets.compose_sheet(rng, "held_out")
    return KnownSource(Source(f"sheet-{index}", sheets.render_sheet(sheet)), sheet)


def _sheet_or_problem(rng: random.Random, index: int) -> KnownSource:
    if index % 3:
        return _sheet(rng, index)
    problem = problems.compose_problem(rng, "held_out")
    return KnownSource(Source(f"problem-{index}", f"Problem: {problem.text}"), problem)


_COMPOSERS: dict[str, Callable[[random.Random, int], KnownSource]] = {
    "problem_set": _topic,
    "essay": _sheet,
    "dialogue": _sheet_or_problem,
}


def known_sources(recipe: str, count: int, seed: int) -> list[KnownSource]:
    """`count` held-out sources for a shipped recipe, reproducible from the seed."""
    rng = random.Random(f"truth-{recipe}-{seed}")
    return [_COMPOSERS[recipe](rng, index) for index in range(count)]


def _judge_sheet(sheet: Sheet, body: str) -> Truth:
    judgement = sheet_oracle.judge_text(sheet, body)
    for finding in judgement.wrong:
        return Truth(True, True, f"{finding.sentence} ({finding.reason})")
    for finding in judgement.unrecognised:
        return Truth(True, False, f"{finding.sentence} (beyond the oracle's grammar)")
    return RIGHT


def _judge_problem(problem: str, solution: str, answer: str) -> Truth:
    """All sums of the steps must hold, and the answer be the problem's."""
    if (wrong := _false_sum(solution)) is not None:
        return wrong
    expected = problem_oracle.true_answer(problem)
    if expected is None:
        return Truth(True, False, "the problem makes no sense under the oracle's grammar")
    if problem_oracle.answer_value(answer) != expected:
        return Truth(True, True, f"answers {answer}, but {expected} is right")
    return RIGHT


def _judge_worked_dialogue(problem: Problem, parsed: Parsed) -> Truth:
    """The first turn states the problem, the tutor's last its true answer; all sums must hold."""
    expected = problem_oracle.answer_value(problem.answer)
    lines = parsed.fields["dialogue"].splitlines()
    tutor = [line for line in lines if line.startswith("Tutor:")][-1]
    stated = _NUMBER.findall(tutor)
    if not stated or float(stated[-1]) != expected:
        return Truth(True, True, f"{tutor} ({expected} is right)")
    if (wrong := _false_sum(parsed.fields["dialogue"])) is not None:
        return wrong
    if problem.text not in lines[0]:
        return Truth(True, False, f"{lines[0]} (not the problem that was given)")
    return RIGHT


def _false_sum(text: str) -> Truth | None:
    """The verdict on the first equation that does not hold, or None."""
    for equation in _EQUATION.finditer(text):
        if not _holds(equation):
            return Truth(True, True, f"{equation[0]} (does not hold)")
    return None


def _holds(equation: re.Match[str]) -> bool:
    left, right = equation["left"], Fraction(equation["right"])
    share = Fraction(left[:-1]) / 100 if left.endswith("%") else Fraction(left)
    if equation["sign"] == "/" and not right:
        return False
    return _COMPUTE[equation["sign"]](share, right) == Fraction(equation["result"])


def judge(recipe: str, item: KnownSource, text: str) -> Truth:
    """Ground truth for one generated text. Malformed text is wrong."""
    try:
        parsed = SHIPPED[recipe].parse(text)
    except MalformedTextError as exc:
        return Truth(True, False, str(exc))
    if recipe == "problem_set":
        fields = parsed.fields
        return _judge_problem(fields["problem"], fields["solution"], fields["answer"])
    if isinstance(item.known, Sheet):
        return _judge_sheet(item.known, parsed.body)
    return _judge_worked_dialogue(item.known, parsed)
