"""The data that graders read and write: frozen, slotted, without behaviour.

Offsets count Unicode characters. Scores lie in [0, 1]; 1 is good.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """A text that grounds generation; `text` may be a document, a fact sheet, a topic."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One text to be judged, with what its recipe parsed out of it.

    `body` is the part whose claims or steps are judged (the essay, the worked solution).
    `question` is the problem it answers, `answer` its final answer, `gold` a trusted answer.
    `prompt` is what the model was asked, where that is known; it is not stored.
    `malformed` says why the recipe's parser refused the text; then `body` is the whole text.
    `finish_reason` is `stop`, `length` (the token limit) or `aborted`. Writing the text took
    `engine_seconds` of an engine; graders that asked a model about it had that read and write
    `grading_tokens` in `grading_engine_seconds`.
    """

    batch_id: str
    seq: int
    recipe: str
    text: str
    body: str
    source: Source | None = None
    question: str | None = None
    answer: str | None = None
    gold: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    malformed: str | None = None
    model: str = ""
    seed: int = 0
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_seconds: float = 0.0
    grading_tokens: int = 0
    grading_engine_seconds: float = 0.0
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a grade is what it is: the words in question and what they were held against.

    `start` and `end` are offsets of `quote` in the candidate's text, None when it has no place
    there. `against` is the span of the source, the recomputed equation or the neighbouring
    sample that decided; `source_start` and `source_end` its offsets in the source, if any.
    `claim` is the whole sentence that the words belong to. `probability` is how likely that is
    supported, where a model of entailment or repeated answers told.
    """

    quote: str
    reason: str
    start: int | None = None
    end: int | None = None
    against: str | None = None
    source_start: int | None = None
    source_end: int | None = None
    supports: bool = False
    claim: str | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """One grader's opinion. `score` is None exactly when `ungraded` says why there is none.

    `seconds` is this grade's share of the time that the graders of a process were at work, where
    waiting for a model is no work; the seconds of all grades add up to no more than that time.
    """

    grader: str
    version: str
    score: float | None
    evidence: tuple[Evidence, ...] = ()
    ungraded: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """One grader that kept a candidate out; `ungraded` when it gave no opinion at all."""

    grader: str
    reason: str
    ungraded: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says: accepted exactly when `failures` is empty."""

    accepted: bool
    failures: tuple[Failure, ...] = ()

    @property
    def undecided(self) -> str | None:
        """Why graders gave no opinion, where nothing else stands in the way: then the candidate
        has failed and is not rejected.
        """
        if not self.failures or not all(failure.ungraded for failure in self.failures):
            return None
        return "; ".join(f"{item.grader}: {item.reason}" for item in self.failures)
