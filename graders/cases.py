"""One text opened against its source: its claims, and what the rules and the model hold to them.

Two judges fill a Case: `check_by_rules` needs no model, `ask_model` asks one. Either can be
replaced without touching how claims are pooled into a grade.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from graders.arithmetic import find_equations
from graders.base import Complete, Completion
from graders.claims import Claim, split_sentences
from graders.errors import UngradedError
from graders.grounding import Finding, check_claim, held_line
from graders.misquotes import check_claim_of_problem
from graders.opinion import (
    CANT_TELL,
    MAX_TOKENS,
    Objection,
    Question,
    objection,
    questions,
    says_the_same,
)
from graders.small_talk import bare_answer
from graders.source_index import Index, Line, index_source
from graders.source_kind import Kind, kind_of
from graders.types import Candidate, Evidence, Source

__all__ = [
    "Case",
    "Kind",
    "ask_model",
    "check_by_rules",
    "evidence_of",
    "evidence_of_objection",
    "kind_of",
    "open_case",
    "sound_results",
]

MOST_WORK: Final = 1_000_000
"""Sentences of a text times lines of its source that the rules hold against each other."""
READINGS: Final = 3
READING_TEMPERATURE: Final = 1.0
"""How often a claim is read again, and how freely: of 78 good essays by winnow-tiny that were lost
to unclear claims alone 56 pass so, of 11 wrong ones 2 (`benchmarks.truth --seed 11`); at 0.5 it is
22 and 1. Both were chosen on these."""
_SEED_STRIDE: Final = 1_000_003
COMPARED: Final = "agrees with the source"
UNCOMPARED: Final = "nothing in it was compared with the source"
HEARD: Final = "the model, asked about it, objects to nothing"
"""Why a claim stands: the source has a value of it; no rule applied; the model was asked, too."""


@dataclass(slots=True)
class Case:
    """One candidate's claims and what was found about them; filled in as judges speak.

    `findings[n]` is what the rules hold against `claims[n]`, which follows `contexts[n]` in the
    text; `evidence[n]` is never empty. `compared[n]` says whether they found in it what the source
    speaks of. `asides` are objections to questions and small talk. `unclear` keeps the evidence
    about claims that the model could not read.
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
    compared: list[bool] = field(default_factory=list)
    unclear: dict[int, list[Evidence]] = field(default_factory=dict)
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


def check_by_rules(case: Case) -> None:
    """Hold every sentence of a case against its source: numbers, units, names, topic, negation.

    Questions and small talk count only where they name something that the source lacks; in prose
    such small talk is a claim like any other. Against labelled lines a number that the source
    lacks must be computed by the sentence that states it or an earlier one: so no later sentence
    takes back what `graders.streaming` found. Raises UngradedError where text and source together
    are too long.
    """
    index = index_source(case.source.text)
    labelled = case.kind == "labelled"
    sentences = split_sentences(case.candidate.body)
    _bound(len(sentences), len(index.lines))
    computed = frozenset() if labelled else frozenset(sound_results(case.candidate.body))
    before = ""
    for claim in sentences:
        if labelled:
            computed |= sound_results(claim.text)
        check = check_claim_of_problem if case.kind == "problem" else check_claim
        findings = check(claim, index, computed)
        if _is_claim(case, claim, findings):
            _add(case, claim, before, findings, index)
        else:
            case.asides += [evidence_of(case, claim, finding) for finding in findings[:1]]
        before = claim.text


def _bound(sentences: int, lines: int) -> None:
    if sentences * lines > MOST_WORK:
        raise UngradedError(
            f"{sentences:,} sentences against the {lines:,} lines of the source: the rules compare "
            f"{MOST_WORK:,} pairs at most, so split the text or the source"
        )


def _is_claim(case: Case, claim: Claim, findings: Sequence[Finding]) -> bool:
    telling = claim.mood == "talk" and case.kind in ("prose", "json") and bool(findings)
    return claim.mood == "statement" or telling


def _add(case: Case, claim: Claim, before: str, findings: list[Finding], index: Index) -> None:
    found = [evidence_of(case, claim, finding) for finding in findings]
    line = None if found else held_line(claim, index)
    case.claims.append(claim)
    case.contexts.append(before)
    case.findings.append(findings)
    case.compared.append(bool(found) or line is not None)
    case.evidence.append(found or [_support(case, claim, line)])


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
        claim=claim.text,
    )


def _support(case: Case, claim: Claim, line: Line | None) -> Evidence:
    whole = Finding(claim.text, 0, COMPARED if line else UNCOMPARED, line)
    return replace(evidence_of(case, claim, whole), supports=True)


async def ask_model(cases: Sequence[Case], complete: Complete) -> None:
    """Ask for the model's opinion on each claim that still stands, in one call, greedily.

    Where it can't tell what a claim says, and holds nothing else against the text, it reads that
    claim again, several times with chance: the claim stands if a reading says what the source
    says, and none says otherwise.
    """
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
    unclear = [item for item in asked if _is_unclear(*item)]
    if unclear:
        await _read_again(unclear, complete)


async def _read_again(unclear: Sequence[tuple[Case, Question]], complete: Complete) -> None:
    replies = await complete(
        [question.prompt for _, question in unclear for _ in range(READINGS)],
        max_tokens=MAX_TOKENS,
        temperature=READING_TEMPERATURE,
        seeds=[
            (case.candidate.seed + turn * _SEED_STRIDE) % 2**31
            for case, _ in unclear
            for turn in range(1, READINGS + 1)
        ],
    )
    for n, (case, question) in enumerate(unclear):
        _reconsider(case, question, replies[n * READINGS : (n + 1) * READINGS])


def _is_unclear(case: Case, question: Question) -> bool:
    """Whether the model could not read this claim, and all it objects to is of that kind."""
    against = {place for place, found in enumerate(case.evidence) if not found[0].supports}
    return question.place in case.unclear and against <= case.unclear.keys() and not case.asides


def _reconsider(case: Case, question: Question, replies: Sequence[Completion]) -> None:
    """Let the claim stand if it could be read, and said the same as the source each time."""
    claim, index = case.claims[question.place], index_source(case.source.text)
    agreed = False
    for reply in replies:
        if reply.error is not None:
            case.trouble = reply.error
            continue
        with suppress(UngradedError):
            found = objection(question, reply.text, claim, index)
            if found is not None and found.reason != CANT_TELL:
                _object(case, question.place, found)
                return
            agreed = agreed or (found is None and says_the_same(reply.text, claim, index))
    if any(reply.error is not None for reply in replies):
        case.evidence[question.place] = case.unclear[question.place]
        case.answered -= 1
        case.unheard += 1
    elif agreed:
        case.evidence[question.place] = case.unclear[question.place]
        _agree(case, question.place)


def _questions(case: Case) -> list[Question]:
    standing = [place for place, found in enumerate(case.evidence) if found[0].supports]
    if not standing:
        return []
    whole = len(standing) == len(case.claims)
    standing = [n for n in standing if bare_answer(case.claims[n].text) is None]
    asked = list(questions(index_source(case.source.text), case.claims, standing))
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
        _agree(case, question.place)
        return
    if found.reason == CANT_TELL and question.kind == "facts":
        case.unclear[question.place] = case.evidence[question.place]
    _object(case, question.place, found)


def _object(case: Case, place: int, found: Objection) -> None:
    case.evidence[place] = [evidence_of_objection(case, case.claims[place], found)]


def evidence_of_objection(case: Case, claim: Claim, found: Objection) -> Evidence:
    """What the model holds against a whole claim, placed as `evidence_of` does."""
    at = case.source.text.find(found.against) if found.against else -1
    return replace(
        evidence_of(case, claim, Finding(claim.text, 0, found.reason, None)),
        against=found.against,
        source_start=at if at >= 0 else None,
        source_end=at + len(found.against or "") if at >= 0 else None,
    )


def _agree(case: Case, place: int) -> None:
    [whole, *rest] = case.evidence[place]
    if whole.reason == UNCOMPARED:
        case.evidence[place] = [replace(whole, reason=HEARD), *rest]
