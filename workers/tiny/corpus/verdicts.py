"""Grading rows beyond plain facts: sentences that state none, and claims about a problem.

Each is a claim about a source, the line or the working that decides, and whether it holds.
"""

import random
import re
from dataclasses import dataclass

from graders.claims import split_claims
from workers.tiny.corpus import essays, problems
from workers.tiny.corpus.problems import Problem
from workers.tiny.corpus.sheets import Sheet, kind_of, referent
from workers.tiny.corpus.templates import render, sentence_case

_EQUATION = re.compile(r"\$?\d[\d$%/*+\- of]*= \$?\d+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim, what decides it (a line of the source, or sums), and whether it holds."""

    claim: str
    ground: str
    holds: bool


def judge_frame(sheet: Sheet, rng: random.Random) -> Verdict:
    """A thesis or a closing; a third of them name another thing of the kind."""
    kind, who = kind_of(sheet), referent(sheet)
    template = rng.choice(essays.usable((*kind.theses, *kind.closings), sheet.values))
    text = sentence_case(render(template, who, sheet.values, "name"))
    if rng.random() < 1 / 3 and sheet.name in text:
        other = rng.choice([t["name"] for t in kind.things if t["name"] not in sheet.name])
        return Verdict(text.replace(sheet.name, other), f"Name: {sheet.name}", False)
    for fact in sheet.facts:
        if fact.relation in template.relations:
            return Verdict(text, f"{fact.label}: {fact.value}", True)
    return Verdict(text, f"Name: {sheet.name}", True)


def judge_problem_claim(problem: Problem, rng: random.Random) -> Verdict:
    """A sentence of a dialogue about a problem: its statement, a step, or the final answer."""
    claims = split_claims(problems.render_problem_dialogue(problem, rng))
    text = rng.choice([claim.text for claim in claims if _NUMBER.search(claim.text)])
    holds = rng.random() < 0.5
    if text in problem.text:
        return Verdict(text if holds else _slip(text, rng), text, holds)
    working = ", ".join(match[0] for step in problem.steps if (match := _EQUATION.search(step)))
    if not holds:
        text = _slip(text, rng) if rng.random() < 0.4 else _wrong_step(problem, text, rng)
    return Verdict(text, working, holds)


def _slip(text: str, rng: random.Random) -> str:
    """One number of the text made another of about the same size."""
    number = rng.choice(list(_NUMBER.finditer(text)))
    value = int(number[0])
    offset = rng.choice((1, 2, 9, 10, 11, max(1, value // 2)))
    other = value + offset if rng.random() < 0.5 or value <= offset else value - offset
    return f"{text[: number.start()]}{other}{text[number.end() :]}"


def _wrong_step(problem: Problem, text: str, rng: random.Random) -> str:
    """A step or the answer of a wrong solution."""
    *steps, answer = problems.corrupt_solution(problem, rng).splitlines()
    bodies = [step.partition(": ")[2] for step in steps]
    wrong = [body for body in bodies if body not in problem.steps]
    if wrong and rng.random() < 0.6:
        return rng.choice(wrong)
    return f"So the answer is {answer.removeprefix('Answer: ')}."
