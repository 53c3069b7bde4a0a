"""What the store says about a batch and its audit."""

from dataclasses import dataclass

from workers.types import BatchSpec, Price, Progress, Status, StopReason

UNFINISHED = (Status.VALIDATING, Status.IN_PROGRESS, Status.FINALIZING, Status.CANCELLING)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch as stored. Times are seconds since the epoch, None for what did not happen yet.

    `price` is the one that held when it was asked for, if any did; `tenant` is who asked, None
    where callers are not told apart.
    """

    id: str
    spec: BatchSpec
    idempotency_key: str | None
    status: Status
    stop_reason: StopReason | None
    message: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    progress: Progress
    price: Price | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What one batch has counted so far, whose it is, and at which price."""

    tenant: str | None
    progress: Progress
    price: Price | None


@dataclass(frozen=True, slots=True)
class AuditDraw:
    """One drawn sample; `correct` is None until somebody labelled it."""

    seq: int
    correct: bool | None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One batch's audit. `draws` are in the order of the draw, in which they are to be labelled.

    `planned` is how many the first draw held, `population` how many samples the batch has.
    """

    batch_id: str
    seed: int
    planned: int
    population: int
    created_at: float
    draws: tuple[AuditDraw, ...]
