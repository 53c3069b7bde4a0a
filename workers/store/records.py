"""What the store says about a batch."""

from dataclasses import dataclass

from workers.types import BatchSpec, Progress, Status, StopReason

UNFINISHED = (Status.VALIDATING, Status.IN_PROGRESS, Status.FINALIZING, Status.CANCELLING)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch as stored. Times are seconds since the epoch, None for what did not happen yet."""

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
