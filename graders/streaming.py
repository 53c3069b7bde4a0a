"""Reads a text while it is written and objects once nothing that may follow could let it pass.

Only finished sentences are judged, by the rules and the model that judge the whole text, and about
fact sheets and word problems alone: there one objection puts the score below one half, whatever
else is said.
"""

import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from typing import Final

from graders.base import AskAhead, Completion
from graders.cases import Case, evidence_of, evidence_of_objection, kind_of, sound_results
from graders.claims import Claim, split_sentences
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.defects import whole_words
from graders.entailment.language import foreign_language
from graders.errors import UngradedError
from graders.grounding import Finding, check_claim, index_source
from graders.misquotes import check_claim_of_problem
from graders.opinion import CANT_TELL, MAX_TOKENS, Objection, Question, objection, questions
from graders.small_talk import bare_answer
from graders.source_kind import Kind
from graders.types import Candidate, Evidence, Grade, Source

BodyStart = Callable[[str], int | None]
"""Where the body begins of every well-shaped text that begins so; None while that is open."""

DECISIVE: Final = 0.5
"""An objection puts the score below this: with a lower threshold a text might still pass."""
_MAY_END = re.compile(r"[.!?…][\"”’')\]]*+\s++\S|\n[^\S\n]*+\S")
_MAY_SPEAK = re.compile(r"[A-Z][a-z]+:[ \t]")
"""A name that is a label only in a text where someone speaks twice: that may lie ahead."""


def watches(source: Source, threshold: float) -> bool:
    """Whether a finding in a text about this source keeps it below `threshold` for good."""
    return threshold >= DECISIVE and _kind_of(source.text) in ("labelled", "problem")


class _AllNumbers:
    """Every number, as if the text had computed it: what may yet be computed counts for nothing."""

    def __contains__(self, number: object) -> bool:
        return True


class ClaimWatch:
    """Follows one text. Call it with all text so far; a grade is its end, and why.

    A sentence is finished when another follows it that has a whole word. For what the rules are
    given (the sentence, its mood, the numbers computed up to it) a finished sentence is the same
    in every continuation. Costs microseconds a call, and the rules, which may take a millisecond,
    once a sentence. `version` is
    that of the grader whose verdict it anticipates, and is told as its grades'. By `ask` the model
    is asked about each finished sentence what that grader will ask about it: what it then objects
    to ends the text at the next call.
    """

    def __init__(
        self,
        config: ConsistencyConfig,
        source: Source,
        body_start: BodyStart,
        version: str,
        ask: AskAhead | None = None,
    ) -> None:
        self._config = config
        self._version = version
        self._source = source
        self._body_start = body_start
        self._index = index_source(source.text)
        self._kind: Kind = _kind_of(source.text)
        self._ask = ask if self._asks_about_lines() else None
        self._replies: deque[tuple[Claim, Question, Completion]] = deque()
        self._text = ""
        self._open_from = 0
        self._finished = 0
        self._claims = 0
        self._computed: set[Fraction] = set()
        self._gave_up = False

    def __call__(self, text_so_far: str) -> Grade | None:
        """The failing grade of every text that begins so, or None while one may still pass."""
        text = whole_words(text_so_far)
        if not text.startswith(self._text):
            self._begin_anew()
        self._text = text
        news = self._replies or _MAY_END.search(text, self._open_from)
        if self._gave_up or not news:
            return None
        start = self._body_start(text)
        if start is None:
            return None
        grade = self._hear(text, start)
        return grade if grade or self._gave_up else self._read(text, start)

    def _begin_anew(self) -> None:
        """Forget what was read: the engine started the text again after a fault."""
        self._open_from = self._finished = self._claims = 0
        self._computed = set()
        self._gave_up = False
        self._replies = deque()  # what is still to come about the old text goes to the old one

    def _hear(self, text: str, start: int) -> Grade | None:
        """The first objection in what the model has replied since the last call."""
        while self._replies:
            claim, question, reply = self._replies.popleft()
            found = self._objection(claim, question, reply)
            if found is not None:
                case = self._case(text, start)
                return self._grade(case, claim, (evidence_of_objection(case, claim, found),))
        return None

    def _objection(self, claim: Claim, question: Question, reply: Completion) -> Objection | None:
        """What counts for good: a claim that the model could not read may be read again."""
        if reply.error is None:
            with suppress(UngradedError):
                found = objection(question, reply.text, claim, self._index)
                return found if found and found.reason != CANT_TELL else None
        return None

    def _read(self, text: str, start: int) -> Grade | None:
        sentences = split_sentences(text[start:])
        for claim in sentences[self._finished : -1]:
            if _MAY_SPEAK.match(claim.text):
                self._gave_up = True
                return None
            self._finished += 1
            self._claims += claim.mood == "statement"
            findings = self._check(claim)
            if findings and self._counts(claim):
                case = self._case(text, start)
                evidence = tuple(evidence_of(case, claim, finding) for finding in findings)
                return self._grade(case, claim, evidence)
            speaks = claim.mood == "statement" and bare_answer(claim.text) is None
            if not findings and speaks and self._ask:
                self._put(claim, self._ask)
        if sentences:
            self._open_from = start + sentences[-1].start
        return None

    def _check(self, claim: Claim) -> list[Finding]:
        """What the rules hold against the next claim whatever follows it.

        A solution may compute a number after it was said; a fact sheet's text may not.
        """
        if self._kind == "problem":
            return check_claim_of_problem(claim, self._index, _AllNumbers())
        self._computed |= sound_results(claim.text)
        return check_claim(claim, self._index, self._computed)

    def _counts(self, claim: Claim) -> bool:
        """Where the entailment model reads, questions and small talk decide nothing alone."""
        return claim.mood == "statement" or not self._is_read()

    def _asks_about_lines(self) -> bool:
        """Whether the grader asks the model what each claim states."""
        return self._config.judge and self._kind == "labelled" and not self._is_read()

    def _is_read(self) -> bool:
        """Whether the entailment model has the first word on this source."""
        model = self._config.model is not None and self._config.entail_labelled
        return model and self._kind == "labelled"

    def _put(self, claim: Claim, ask: AskAhead) -> None:
        """Ask about a claim that the rules let stand."""
        [question] = questions(self._index, [claim], [0])
        replies = self._replies
        ask(
            question.prompt,
            max_tokens=MAX_TOKENS,
            hear=lambda reply: replies.append((claim, question, reply)),
        )

    def _case(self, text: str, start: int) -> Case:
        candidate = Candidate("", 0, "", text, text[start:], self._source)
        return Case(candidate, self._source, self._kind, start)

    def _grade(self, case: Case, claim: Claim, evidence: tuple[Evidence, ...]) -> Grade | None:
        """The score of the sentences so far; None where the grader would give no opinion."""
        if self._config.model is not None and self._config.language is not None:
            read = (self._source.text, case.candidate.body, claim.text)
            if any(foreign_language(part) for part in read):
                self._gave_up = True
                return None
        told = self._claims + (claim.mood != "statement")
        score = DECISIVE * (1 - 1 / told)
        return Grade(ConsistencyGrader.name, self._version, score, evidence)


@lru_cache(maxsize=256)
def _kind_of(source: str) -> Kind:
    return kind_of(source)
