"""Does a text keep to its source? Each claim is held against it by rules, then by the model.

Two judges behind one seam: `check_by_rules` needs no model, `ask_model` asks one. Either can be
replaced without touching how claims are pooled into a grade.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain

from graders.arithmetic import find_equations
from graders.base import Complete, Completion
from graders.claims import Claim, split_sentences
from graders.config import ConsistencyConfig
from graders.errors import UngradedError
from graders.grounding import (
    Finding,
    Index,
    check_claim,
    index_source,
    nearest_line,
)
from graders.opinion import MAX_TOKENS, Question, objection, questions
from graders.types import Candidate, Evidence, Grade, Source


@dataclass(slots=True)
class _Case:
    """One candidate's claims and what was found about them; filled in as judges speak."""

    candidate: Candidate
    source: Source
    offset: int | None
    claims: list[Claim]
    asides: list[Evidence] = field(default_factory=list)
    evidence: list[list[Evidence]] = field(default_factory=list)
    asked: int = 0
    answered: int = 0
    trouble: str = ""
    unheard: int = 0


class ConsistencyGrader:
    """Scores the share of claims that the source supports.

    `complete` asks the model for its opinion on every claim that the rules let pass; without it,
    or with `judge` off, the rules decide alone.
    """

    name = "consistency"
    version = "1"

    def __init__(
        self, config: ConsistencyConfig | None = None, complete: Complete | None = None
    ) -> None:
        self.config = config or ConsistencyConfig()
        self.complete = complete

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate, in order; the model is asked about all of them at once."""
        started = time.perf_counter()
        cases = [_open_case(candidate) for candidate in candidates]
        open_cases = [case for case in cases if isinstance(case, _Case)]
        for case in open_cases:
            check_by_rules(case)
        if self.complete is not None and self.config.judge:
            await ask_model(open_cases, self.complete)
        seconds = (time.perf_counter() - started) / max(1, len(cases))
        return [self._grade(case, seconds) for case in cases]

    def _grade(self, case: "_Case | str", seconds: float) -> Grade:
        if isinstance(case, str):
            return Grade(self.name, self.version, None, (), case, seconds)
        failed = [found for found in case.evidence if not found[0].supports]
        evidence = tuple(chain(*failed, case.asides, *(e for e in case.evidence if e[0].supports)))
        missing = case.unheard or (case.asked and not case.answered)
        if missing and not failed and not case.asides:
            silent = case.asked - case.answered
            reason = f"the model gave no opinion on {silent} of {case.asked} claims: {case.trouble}"
            return Grade(self.name, self.version, None, evidence, reason, seconds)
        wrong, asides = len(failed), len(case.asides)
        if not case.claims and not asides:
            return Grade(self.name, self.version, None, (), "no checkable claim", seconds)
        score = 1 - (wrong + asides) / (len(case.claims) + asides)
        return Grade(self.name, self.version, score, evidence, None, seconds)


def _open_case(candidate: Candidate) -> _Case | str:
    if candidate.source is None or not candidate.source.text.strip():
        return "no source to hold the text against"
    at = candidate.text.find(candidate.body)
    return _Case(candidate, candidate.source, at if at >= 0 else None, [])


def check_by_rules(case: _Case) -> None:
    """Hold every sentence of a case against its source: numbers, units, names, topic, negation.

    Questions and small talk count only where they name something that the source lacks.
    """
    index = index_source(case.source.text)
    sound = [e for e in find_equations(case.candidate.body) if e.holds and e.checked]
    computed = frozenset(Fraction(int(e.stated.p), int(e.stated.q)) for e in sound)
    for claim in split_sentences(case.candidate.body):
        found = [_evidence(case, claim, f) for f in check_claim(claim, index, computed)]
        if claim.mood != "statement":
            case.asides += found[:1]
            continue
        case.claims.append(claim)
        case.evidence.append(found or [_support(case, claim, index)])


def _evidence(case: _Case, claim: Claim, finding: Finding) -> Evidence:
    start = None if case.offset is None else case.offset + claim.start + finding.start
    line = finding.line
    return Evidence(
        quote=finding.quote,
        reason=finding.reason,
        start=start,
        end=None if start is None else start + len(finding.quote),
        against=line.text if line else None,
        source_start=line.start if line else None,
        source_end=line.start + len(line.text) if line else None,
    )


def _support(case: _Case, claim: Claim, index: Index) -> Evidence:
    whole = _evidence(
        case, claim, Finding(claim.text, 0, "nothing in the source speaks against it")
    )
    line = nearest_line(claim.text, index)
    if line is None:
        return replace(whole, supports=True)
    return replace(
        whole,
        reason="agrees with the source",
        against=line.text,
        source_start=line.start,
        source_end=line.start + len(line.text),
        supports=True,
    )


async def ask_model(cases: Sequence[_Case], complete: Complete) -> None:
    """Ask for the model's opinion on each claim that still stands, in one call, greedily."""
    asked = [(case, question) for case in cases for question in _questions(case)]
    if not asked:
        return
    replies = await complete(
        [question.prompt for _, question in asked],
        max_tokens=MAX_TOKENS,
        temperature=0.0,
        seeds=[case.candidate.seed for case, _ in asked],
    )
    for (case, question), reply in zip(asked, replies, strict=True):
        _hear(case, question, reply)


def _questions(case: _Case) -> list[Question]:
    standing = [place for place, found in enumerate(case.evidence) if found[0].supports]
    if not standing:
        return []
    asked = list(questions(index_source(case.source.text), case.claims, standing))
    whole = len(standing) == len(case.claims)
    return [question for question in asked if whole or question.kind != "solve"]


def _hear(case: _Case, question: Question, reply: Completion) -> None:
    case.asked += 1
    if reply.error is not None:
        case.trouble = reply.error
        case.unheard += 1
        return
    claim = case.claims[question.place]
    try:
        found = objection(question, reply.text, claim, index_source(case.source.text))
    except UngradedError as exc:
        case.trouble = str(exc)
        return
    case.answered += 1
    if found is None:
        return
    at = case.source.text.find(found.against) if found.against else -1
    case.evidence[question.place] = [
        replace(
            case.evidence[question.place][0],
            reason=found.reason,
            against=found.against,
            source_start=at if at >= 0 else None,
            source_end=at + len(found.against or "") if at >= 0 else None,
            supports=False,
        )
    ]
