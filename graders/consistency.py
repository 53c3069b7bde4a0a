"""Does a text keep to its source? Each claim is held against it; the worst ones make the score.

Prose and JSON sources: the entailment model reads every claim, and what the rules find is learned
evidence beside it. Labelled lines and word problems: the rules decide, then the model's opinion;
where no model is asked about them, the entailment model reads those claims, too, but for what the
rules have recomputed.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from graders.base import Complete
from graders.cases import (
    COMPARED,
    Case,
    ask_model,
    check_by_rules,
    evidence_of,
    open_case,
    sound_results,
)
from graders.claims import Claim
from graders.config import ConsistencyConfig
from graders.entailment.evidence import LIKELY, claim_evidence, score_of
from graders.entailment.foreign import count_foreign_names
from graders.entailment.language import foreign_language, unreadable_prose
from graders.entailment.model import (
    MeasuringEncoder,
    Support,
    folder_of,
    load_encoder,
    weights_of,
)
from graders.entailment.pooling import Kind, Pooling, WorstClaim, features_of, load_pooling
from graders.entailment.premise import find_terms
from graders.entailment.support import claims_support
from graders.errors import UngradedError
from graders.grounding import Finding, check_claim, held_line, index_source
from graders.quantities import find_quantities
from graders.small_talk import asked_of, bare_answer
from graders.source_index import Line, stems
from graders.types import Candidate, Evidence, Grade

NO_CLAIM = "no checkable claim: nothing in the text states what could be true or false"
NOTHING_COMPARED = (
    "the rules had nothing to compare in {count} of {total} claims, and there is neither a model "
    "to ask nor an entailment model to read them"
)
DENIED = "the claim denies what the source says: {line!r}"
_READ = ("prose", "json")
_COMPARES = re.compile(r"\b(?:than|only|just|more|most|less|least|about|exactly)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The entailment model's opinion of one case: of each claim read, by place, and pooled."""

    supports: Mapping[int, Support]
    features: tuple[float, ...]
    probability: float


class ConsistencyGrader:
    """Scores the estimated probability that the source supports every claim.

    Where rules decide, any objection puts the score below one half: half the share of claims
    without one. `complete` asks the model that writes the texts for its opinion on those; without
    it, or with `judge` off, the entailment model has the last word, and without that a text is
    ungraded unless every claim was compared with a value of the source, or recomputed. A bare yes
    or no counts as what it makes of the question before it.
    `encoder` stands in for `config.model`. All work is done beside the event loop.
    """

    name = "consistency"
    version = "5"

    def __init__(
        self,
        config: ConsistencyConfig | None = None,
        complete: Complete | None = None,
        encoder: MeasuringEncoder | None = None,
    ) -> None:
        self.config = config or ConsistencyConfig()
        if self.config.model is not None:
            self.version = f"{type(self).version}-{weights_of(self.config.model)}"
        self.complete = complete
        self._encoder = encoder
        self._pooling: Pooling = WorstClaim()

    async def start(self) -> None:
        """Load the entailment model. Raises GraderConfigError when it can't be."""
        if self._encoder is None and self.config.model is not None:
            self._encoder, self._pooling = await asyncio.to_thread(_load, self.config)

    async def aclose(self) -> None:
        """Nothing to close: the model stays loaded for the next grader."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate, in order; the model is asked about all of them at once."""
        await self.start()
        cases = await asyncio.to_thread(lambda: [self._open(given) for given in candidates])
        judged = [case for case in cases if isinstance(case, Case) and self._is_judged(case)]
        if self.complete is not None and self.config.judge:
            await ask_model(judged, self.complete)
        return await asyncio.to_thread(
            lambda: [self._grade(case, self._read(case)) for case in cases]
        )

    async def claim_support(self, source: str, claim: str, context: str = "") -> Support | None:
        """How likely a source supports one finished sentence of a text that is still written.

        `context` is the sentence before it. None where the entailment model does not decide.
        Raises UngradedError when the model fails.
        """
        await self.start()
        if self._encoder is None:
            return None
        [support] = await asyncio.to_thread(_supports, self._encoder, source, [claim], [context])
        return support

    async def features(self, candidates: Sequence[Candidate]) -> list[tuple[float, ...] | None]:
        """What `fit_pooling` learns from; None for a text that the model can't read."""
        await self.start()
        readings = await asyncio.to_thread(
            lambda: [self._read(self._open(candidate)) for candidate in candidates]
        )
        return [r.features if isinstance(r, _Reading) else None for r in readings]

    def _open(self, candidate: Candidate) -> Case | str:
        case = open_case(candidate)
        if isinstance(case, str):
            return case
        try:
            check_by_rules(case)
            _hold_answers(case)
        except UngradedError as exc:
            return str(exc)
        return (self._foreign(case) if self._encoder is not None else None) or case

    def _foreign(self, case: Case) -> str | None:
        """Why neither the entailment model nor the rules, both English, can judge this case."""
        if self.config.language is None:
            return None
        source, body = case.source.text, case.candidate.body
        why = foreign_language(source) or (unreadable_prose(source) if _is_prose(case) else None)
        if why:
            return f"the source {why}; the grader was trained on English only"
        texts = (body, *(claim.text for claim in case.claims))
        why = next((why for text in texts if (why := foreign_language(text))), None)
        why = why or (unreadable_prose(body) if _is_prose(case) else None)
        return f"the text {why}; the grader was trained on English only" if why else None

    def _is_judged(self, case: Case) -> bool:
        """Whether rules decide about this case, and the model's opinion where it is asked."""
        return self._encoder is None or not (
            case.kind in _READ or (case.kind == "labelled" and self.config.entail_labelled)
        )

    def _is_read(self, case: Case) -> bool:
        if self._encoder is None:
            return False
        asked = self.complete is not None and self.config.judge
        return not self._is_judged(case) or not asked

    def _read(self, case: Case | str) -> "_Reading | str | None":
        """The entailment model's opinion; a reason where it fails; None where it is not asked."""
        if isinstance(case, str) or not self._is_read(case) or not (places := _unsolved(case)):
            return None
        assert self._encoder is not None
        claims = [case.claims[n].text for n in places]
        before = [case.contexts[n] for n in places]
        try:
            supports = _supports(self._encoder, case.source.text, claims, before)
        except UngradedError as exc:
            return str(exc)
        known = find_terms(case.source.text)
        told = zip(supports, [case.findings[n] for n in places], claims, strict=True)
        scores = [score_of(support, found, claim, known) for support, found, claim in told]
        names = count_foreign_names(case.candidate.body, known.keys())
        features = features_of(scores, _pooled_kind(case), names)
        by_place = dict(zip(places, supports, strict=True))
        # Pooling has never seen a bare answer: one that is unlikely bounds the whole text.
        unlikely = [
            support.probability
            for support, claim in zip(supports, claims, strict=True)
            if bare_answer(claim) is not None and support.probability < LIKELY
        ]
        pooled = min(self._pooling.probability(features), *unlikely, 1.0)
        return _Reading(by_place, features, pooled)

    def _grade(self, case: Case | str, reading: "_Reading | str | None") -> Grade:
        if isinstance(case, str):
            return self._ungraded(case)
        if not case.claims and not (case.asides and self._is_judged(case)):
            return self._ungraded(NO_CLAIM)
        grade = None if _is_prose(case) and self._is_read(case) else self._judged(case)
        if reading is None or (grade is not None and (grade.score is None or grade.score < LIKELY)):
            assert grade is not None
            return grade
        if isinstance(reading, str):
            return self._ungraded(reading)
        evidence = _ranked(case, reading)
        return Grade(self.name, self.version, reading.probability, evidence)

    def _judged(self, case: Case) -> Grade:
        """What the rules and the model's opinion make of a case."""
        failed = [found for found in case.evidence if not found[0].supports]
        evidence = tuple(chain(*failed, case.asides, *(e for e in case.evidence if e[0].supports)))
        missing = case.unheard or (case.asked and not case.answered)
        wrong = len(failed) + len(case.asides)
        if missing and not wrong:
            silent = case.asked - case.answered
            reason = f"the model gave no opinion on {silent} of {case.asked} claims: {case.trouble}"
            return Grade(self.name, self.version, None, evidence, reason)
        if not wrong and (silence := self._uncompared(case)):
            return Grade(self.name, self.version, None, evidence, silence)
        share = 1 - wrong / (len(case.claims) + len(case.asides))
        score = 0.5 * share if wrong else 1.0
        return Grade(self.name, self.version, score, evidence)

    def _uncompared(self, case: Case) -> str | None:
        """Why the silence of the rules about a source is no opinion; None where it is one."""
        if case.kind in _READ or case.asked or self._encoder is not None:
            return None
        count, total = sum(not case.compared[n] for n in _unsolved(case)), len(case.claims)
        return NOTHING_COMPARED.format(count=count, total=total) if count else None

    def _ungraded(self, reason: str) -> Grade:
        return Grade(self.name, self.version, None, (), reason)


def _load(config: ConsistencyConfig) -> tuple[MeasuringEncoder, Pooling]:
    assert config.model is not None
    encoder = load_encoder(config.model, config.threads, config.support_label)
    return encoder, load_pooling(folder_of(config.model))


def _is_prose(case: Case) -> bool:
    return case.kind in _READ


def _pooled_kind(case: Case) -> Kind:
    return "json" if case.kind == "json" else "labelled" if case.kind == "labelled" else "prose"


def _unsolved(case: Case) -> list[int]:
    """The places of the claims that rest on the source, not on a sum that the rules recomputed."""
    places = list(range(len(case.claims)))
    if case.kind != "problem":
        return places
    sums = sound_results(case.candidate.body)
    numbers = [{q.value for q in find_quantities(claim.text)} for claim in case.claims]
    bare = [bare_answer(claim.text) is not None for claim in case.claims]
    return [n for n in places if case.findings[n] or not (bare[n] or numbers[n] & sums)]


def _hold_answers(case: Case) -> None:
    """Hold a bare yes or no against the source by the words of the question that it answers."""
    index = index_source(case.source.text)
    for n, claim in enumerate(case.claims):
        answer = _answer(claim.text, case.contexts[n])
        if answer is None or case.findings[n]:
            continue
        yes, asked = answer
        line = held_line(Claim(asked, 0, len(asked)), index)
        said = f"{'Yes' if yes else 'No'}: {asked}"
        found = [
            f for f in check_claim(Claim(said, 0, len(said)), index, frozenset()) if not f.start
        ]
        if case.kind == "labelled" and not yes:
            found = []
            if line is not None and _denies(asked, line):
                found = [Finding(said, 0, DENIED.format(line=line.text), line)]
        if found:
            case.findings[n] = [Finding(claim.text, 0, f.reason, f.line) for f in found]
            case.evidence[n] = [evidence_of(case, claim, f) for f in case.findings[n]]
        elif yes and line:
            held = evidence_of(case, claim, Finding(claim.text, 0, COMPARED, line))
            case.evidence[n] = [replace(held, supports=True)]
        case.compared[n] = bool(found) or (yes and line is not None)


def _denies(asked: str, line: Line) -> bool:
    """Whether no to this question takes back the line: it names all of it, and compares nothing."""
    words = stems(asked)
    return stems(line.label) | line.value_stems <= words and not _COMPARES.search(asked)


def _answer(claim: str, before: str) -> tuple[bool, str] | None:
    """Whether a claim that is but a yes or no says yes, and to what; None for all others."""
    yes = bare_answer(claim) if before else None
    return None if yes is None else (yes, asked_of(before) or before.rstrip("?"))


def _supports(
    encoder: MeasuringEncoder, source: str, claims: Sequence[str], contexts: Sequence[str]
) -> list[Support]:
    """`claims_support`; for a bare yes that of what was asked, for a bare no its complement."""
    answers = [_answer(claim, before) for claim, before in zip(claims, contexts, strict=True)]
    read, before = list(claims), list(contexts)
    for n, answer in enumerate(answers):
        if answer:
            read[n], before[n] = f"{answer[1][:1].upper()}{answer[1][1:]}.", ""
    found = claims_support(encoder, source, read, before)
    for n, answer in enumerate(answers):
        if answer:
            chance = found[n].probability
            found[n] = Support(chance if answer[0] else 1 - chance)
    return found


def _ranked(case: Case, reading: _Reading) -> tuple[Evidence, ...]:
    """Unlikely claims, the worst first; then what only the rules object to; then the rest."""
    places = sorted(reading.supports, key=lambda n: reading.supports[n].probability)
    found = [claim_evidence(case, n, reading.supports[n]) for n in places]
    unlikely = [items for items in found if not items[0].supports]
    likely = [items for items in found if items[0].supports]
    doubts = [item for items in likely for item in items[1:]]
    unread = [case.evidence[n] for n in range(len(case.claims)) if n not in reading.supports]
    return (
        *chain(*unlikely),
        *doubts,
        *case.asides,
        *(items[0] for items in likely),
        *chain(*unread),
    )
