"""Reads a text while it is written and objects once nothing that may follow could let it pass.

Only finished sentences are judged, by the rules that judge the whole text and on sources of
labelled lines alone: there one objection puts the score below one half, whatever else is said.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Final

from graders.cases import Case, evidence_of, kind_of, sound_results
from graders.claims import Claim, split_sentences
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.defects import whole_words
from graders.entailment.language import foreign_language
from graders.grounding import Finding, check_claim, index_source
from graders.types import Candidate, Grade, Source

BodyStart = Callable[[str], int | None]
"""Where the body begins of every well-shaped text that begins so; None while that is open."""

DECISIVE: Final = 0.5
"""An objection puts the score below this: with a lower threshold a text might still pass."""
_MAY_END = re.compile(r"[.!?…][\"”’')\]]*+\s++\S|\n[^\S\n]*+\S")
_MAY_SPEAK = re.compile(r"[A-Z][a-z]+:[ \t]")
"""A name that is a label only in a text where someone speaks twice: that may lie ahead."""


def watches(source: Source, threshold: float) -> bool:
    """Whether a finding in a text about this source keeps it below `threshold` for good."""
    return threshold >= DECISIVE and _is_labelled(source.text)


class ClaimWatch:
    """Follows one text. Call it with all text so far; a grade is its end, and why.

    A sentence is finished when another follows it that has a whole word. For what the rules are
    given (the sentence, its mood, the numbers computed up to it) a finished sentence is the same
    in every continuation. Costs microseconds a call, and the rules once a sentence. `version` is
    that of the grader whose verdict it anticipates, and is told as its grades'.
    """

    def __init__(
        self, config: ConsistencyConfig, source: Source, body_start: BodyStart, version: str
    ) -> None:
        self._config = config
        self._version = version
        self._source = source
        self._body_start = body_start
        self._index = index_source(source.text)
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
        if self._gave_up or not _MAY_END.search(text, self._open_from):
            return None
        start = self._body_start(text)
        if start is None:
            return None
        return self._read(text, start)

    def _begin_anew(self) -> None:
        """Forget what was read: the engine started the text again after a fault."""
        self._open_from = self._finished = self._claims = 0
        self._computed = set()
        self._gave_up = False

    def _read(self, text: str, start: int) -> Grade | None:
        sentences = split_sentences(text[start:])
        for claim in sentences[self._finished : -1]:
            if _MAY_SPEAK.match(claim.text):
                self._gave_up = True
                return None
            self._finished += 1
            self._claims += claim.mood == "statement"
            self._computed |= sound_results(claim.text)
            findings = check_claim(claim, self._index, frozenset(self._computed))
            if findings and self._counts(claim):
                return self._grade(text, start, claim, findings)
        if sentences:
            self._open_from = start + sentences[-1].start
        return None

    def _counts(self, claim: Claim) -> bool:
        """Where the entailment model reads, too, questions and small talk decide nothing alone."""
        read = self._config.model is not None and self._config.entail_labelled
        return claim.mood == "statement" or not read

    def _grade(self, text: str, start: int, claim: Claim, findings: list[Finding]) -> Grade | None:
        """The score of the sentences so far; None where the grader would give no opinion."""
        body = text[start:]
        if self._config.model is not None and self._config.language is not None:
            read = (self._source.text, body, claim.text)
            if any(foreign_language(part) for part in read):
                self._gave_up = True
                return None
        candidate = Candidate("", 0, "", text, body, self._source)
        case = Case(candidate, self._source, "labelled", start)
        told = self._claims + (claim.mood != "statement")
        return Grade(
            ConsistencyGrader.name,
            self._version,
            DECISIVE * (1 - 1 / told),
            tuple(evidence_of(case, claim, finding) for finding in findings),
        )


@lru_cache(maxsize=256)
def _is_labelled(source: str) -> bool:
    return kind_of(source) == "labelled"
