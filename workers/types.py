"""The data of a batch: what was asked, how far it is, how it ended. Frozen, without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from graders.calibration.certificate import Certificate
from graders.types import Candidate, Grade, Source, Verdict


class Status(StrEnum):
    """Where a batch stands; the words are those of the OpenAI Batch API."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class StopReason(StrEnum):
    """Why a batch drew no more candidates."""

    COUNT_REACHED = "count_reached"
    MAX_CANDIDATES = "max_candidates"
    MAX_TOKENS = "max_tokens"
    MAX_SECONDS = "max_seconds"
    MAX_MONEY = "max_money"
    CANCELLED = "cancelled"
    NO_USABLE_SOURCE = "no_usable_source"
    ENGINE_FAILING = "engine_failing"
    JUDGE_UNHEALTHY = "judge_unhealthy"
    CANNOT_RUN = "cannot_run"


class Outcome(StrEnum):
    """What became of a candidate. Every candidate has exactly one."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; None is no limit.

    `max_candidates` counts draws and is kept exactly. `max_tokens` counts the prompt and completion
    tokens of the candidates in the ledger, rejected ones and those that failed after they were
    written too; not the tokens that graders have the model generate. It is looked at after each
    admission, and no more is drawn than the mean price so far affords, so it may be overshot by
    what was in flight.
    `max_seconds` is the time that the batch has drawn, over all its runs; loading its model does
    not count. `max_money` needs a price,
    counts what the engines' busy time costs at it, and is kept as `max_tokens` is.
    """

    max_candidates: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_money: float | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour of one busy engine costs; `currency` is a label, `EUR`, or empty."""

    per_engine_hour: float
    currency: str = ""


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """One request for `count` samples, as stored. `sources` may not be empty.

    `thresholds` maps a grader's name to the least score that passes, over the shipped defaults.
    `protect` are texts that must not be repeated. `certificate` is the bound that the thresholds
    were chosen for, where one was asked for.
    """

    recipe: str
    count: int
    sources: tuple[Source, ...]
    model: str
    seed: int = 0
    budget: Budget = Budget()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    protect: tuple[str, ...] = ()
    fail_on_shortfall: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """One candidate to be made: its place in the batch, its source and its seed."""

    seq: int
    source: Source
    seed: int


@dataclass(frozen=True, slots=True)
class Produced:
    """What came back for one draw: a judged candidate, or the name of what went wrong.

    One of `candidate` and `error` is set; both only for a text that was finished and is cancelled
    all the same, because an earlier draw was not. `error` is `code: message`; the codes are
    `prompt_too_long`, `engine_error`, `engine_timeout` (no text in time), `recipe_error`,
    `grader_error` (also: no grade in time), `judge_unhealthy` (which ends the batch) and
    `cancelled`.
    `verdict` is that of the stateless graders; admission may still refuse.
    """

    draw: Draw
    candidate: Candidate | None = None
    grades: tuple[Grade, ...] = ()
    verdict: Verdict | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The final word on one candidate, as stored under (batch_id, seq)."""

    seq: int
    outcome: Outcome
    source_id: str
    candidate: Candidate | None
    grades: tuple[Grade, ...] = ()
    verdict: Verdict | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. accepted + rejected + failed is every candidate ever drawn.

    `rejected_by` counts rejections by grader (a candidate that fails two counts for both).
    `rejected_tokens` are completion tokens of rejected texts. `aborted` texts were stopped after
    `aborted_tokens`; `unaborted` ones were written to their end or to the token limit.
    `engine_seconds` count writing and graders' questions to a model, `grading_engine_seconds` and
    `grading_tokens` the latter alone. See workers.costs.
    """

    total: int
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    rejected_by: Mapping[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    rejected_tokens: int = 0
    aborted: int = 0
    aborted_tokens: int = 0
    unaborted: int = 0
    grading_tokens: int = 0
    engine_seconds: float = 0.0
    grading_engine_seconds: float = 0.0
    grader_seconds: float = 0.0
    elapsed_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """How a batch ended. A shortfall is data: `progress.accepted` may be below `total`."""

    status: Status
    stop_reason: StopReason
    progress: Progress
    message: str = ""
