"""One text opened against its source: its claims, and what the rules and the model hold to them.

Two judges fill a Case: `check_by_rules` needs no model, `ask_model` asks one. Either can be
replaced without touching how claims are pooled into a grade.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, Literal

from graders.arithmetic import find_equations
from graders.base import Complete, Completion
from graders.claims import Claim, split_sentences
from graders.errors import UngradedError
from graders.grounding import (
    Finding,
    Index,
    check_claim,
    index_source,
    nearest_line,
)
from graders.opinion import MAX_TOKENS, Question, objection, questions
from graders.types import Candidate, Evidence, Source

Kind = Literal["labelled", "problem", "json", "prose"]
_KEY: Final = re.compile(r"[\"']\s*:")
_FEWEST_KEYS: Final = 2
_TOLD_ONCE: Final = 0.7
_LONGEST_PROBLEM: Final = 200
_LONGEST_VALUE: Final = 15
"""Words of the longest word problem and of a fact sheet's middle value; articles have more."""
_PROBE: Final = Claim("It is so.", 0, 9)


@dataclass(slots=True)
class Case:
    """One candidate's claims and what was found about them; filled in as judges speak.

    `findings[n]` is what the rules hold against `claims[n]`, which follows `contexts[n]` in the
    text; `evidence[n]` is never empty. `asides` are objections to questions and small talk.
    """

    candidate: Candidate
    source: Source
    kind: Kind
    offset: int | None
    claims: list[Claim] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    findings: list[list[Finding]] = field(default_factory=list)
    asides: list[Evidence] = field(default_factory=list)
    evidence: list[list[Evidence]] = field(default_factory=list)
    asked: int = 0
    answered: int = 0
    trouble: str = ""
    unheard: int = 0


def open_case(candidate: Candidate) -> Case | str:
    """The candidate's case, or why there can be none."""
    if candidate.source is None or not candidate.source.text.strip():
        return "no source to hold the text against"
    at = candidate.text.find(candidate.body)
    kind = kind_of(candidate.source.text)
    return Case(candidate, candidate.source, kind, at if at >= 0 else None)


def kind_of(source: str) -> Kind:
    """Labelled lines, a word problem, JSON, or prose: by what the model would be asked of it.

    A transcript is prose, although its lines have speakers; so is an article that ends by asking.
    """
    if source.lstrip()[:1] in ("{", "[") and len(_KEY.findall(source)) >= _FEWEST_KEYS:
        return "json"
    index = index_source(source)
    [asked, *_] = questions(index, [_PROBE], [0])
    if asked.kind == "facts" and _is_fact_sheet(index):
        return "labelled"
    short = len(source.split()) <= _LONGEST_PROBLEM
    return "problem" if asked.kind == "solve" and short else "prose"


def _is_fact_sheet(index: Index) -> bool:
    """Whether most labels are told once, and values are short."""
    labelled = [line for line in index.lines if line.label]
    distinct = {line.label.casefold() for line in labelled}
    lengths = sorted(len(line.value.split()) for line in labelled)
    return (
        len(distinct) >= _TOLD_ONCE * len(labelled) and lengths[len(lengths) // 2] <= _LONGEST_VALUE
    )


def check_by_rules(case: Case) -> None:
    """Hold every sentence of a case against its source: numbers, units, names, topic, negation.

    Questions and small talk count only where they name something that the source lacks. Against
    labelled lines a number that the source lacks must be computed by the sentence that states it
    or an earlier one: so no later sentence takes back what `graders.streaming` found.
    """
    index = index_source(case.source.text)
    labelled = case.kind == "labelled"
    computed = set() if labelled else sound_results(case.candidate.body)
    before = ""
    for claim in split_sentences(case.candidate.body):
        if labelled:
            computed |= sound_results(claim.text)
        findings = check_claim(claim, index, frozenset(computed))
        found = [evidence_of(case, claim, finding) for finding in findings]
        if claim.mood == "statement":
            case.claims.append(claim)
            case.contexts.append(before)
            case.findings.append(findings)
            case.evidence.append(found or [_support(case, claim, index)])
        else:
            case.asides += found[:1]
        before = claim.text


def sound_results(text: str) -> set[Fraction]:
    """The results of the equations of a text that hold when recomputed."""
    sound = (e for e in find_equations(text) if e.holds and e.checked)
    return {Fraction(int(e.stated.p), int(e.stated.q)) for e in sound}


def evidence_of(case: Case, claim: Claim, finding: Finding) -> Evidence:
    """A finding about a claim, placed in the candidate's text and in the source."""
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


def _support(case: Case, claim: Claim, index: Index) -> Evidence:
    whole = evidence_of(
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


async def ask_model(cases: Sequence[Case], complete: Complete) -> None:
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


def _questions(case: Case) -> list[Question]:
    standing = [place for place, found in enumerate(case.evidence) if found[0].supports]
    if not standing:
        return []
    asked = list(questions(index_source(case.source.text), case.claims, standing))
    whole = len(standing) == len(case.claims)
    return [question for question in asked if whole or question.kind != "solve"]


def _hear(case: Case, question: Question, reply: Completion) -> None:
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
