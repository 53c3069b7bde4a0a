"""THE loop: plan, produce, admit. Ask for N samples, get N that passed and account for the rest."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

from graders.gate import Gate
from graders.novelty import ProtectedTexts
from graders.types import Candidate
from workers.costs import money
from workers.dispatch import Dispatcher
from workers.lease import LEASE_SECONDS, Lease
from workers.oversample import Oversampler
from workers.producer import Producer
from workers.store import SqlStore
from workers.store.records import UNFINISHED
from workers.types import (
    BatchResult,
    BatchSpec,
    Draw,
    LedgerRow,
    Outcome,
    Produced,
    Progress,
    Status,
    StopReason,
)

OnProgress = Callable[[Progress, list[LedgerRow]], None]
RUNNING_PER_SLOT = 2
IN_FLIGHT_PER_SLOT = 4
ADMIT_EVERY_SECONDS = 0.05
_BUDGETS = (
    StopReason.MAX_CANDIDATES,
    StopReason.MAX_TOKENS,
    StopReason.MAX_SECONDS,
    StopReason.MAX_MONEY,
)
CANCELLED = "cancelled"
_HAS_ITS_SAMPLES = "the batch already has its samples"


async def run_batch(
    batch_id: str,
    spec: BatchSpec,
    producer: Producer,
    store: SqlStore,
    *,
    gate: Gate,
    novelty_text: Callable[[Candidate], str],
    protected: Sequence[ProtectedTexts] = (),
    cancel: asyncio.Event | None = None,
    on_progress: OnProgress | None = None,
    lease: Lease | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> BatchResult:
    """Run a stored batch to its end, from wherever an earlier run left it.

    `gate` is that of admission: it may require `novelty`. `producer` must be started. A batch
    that has ended already is not run again; its result is returned. `lease` is the batch's own,
    entered by a caller who had to hold it first; without it one is taken here.

    How it ends: `completed` with its samples, or when a budget is spent and a shortfall is
    allowed (`stop_reason` names the budget); `failed` when a shortfall is not allowed, when no
    source is usable, the engine keeps failing or the judge fails its canaries; `expired` when a
    shortfall is not allowed and the time was up; `cancelled` when `cancel` is set or the store
    has the request.

    Raises BatchBusyError when another process holds the batch or took it over, and StoreError
    (StoreFullError) when the database refuses: then the batch stays in progress, to be resumed.
    The same holds when the coroutine itself is cancelled: nothing is written for what was in
    flight, and a later run draws it again.
    """
    async with nullcontext(lease) if lease else Lease(store, batch_id, lease_seconds) as held:
        record = held.record
        if record.status not in UNFINISHED and record.stop_reason is not None:
            return BatchResult(record.status, record.stop_reason, record.progress, record.message)
        run = _Run(
            batch_id, spec, producer, store, held,
            gate=gate, protected=protected, novelty_text=novelty_text,
            cancel=cancel or asyncio.Event(), on_progress=on_progress,
        )  # fmt: skip
        return await run.to_the_end()


class _Run:
    """One process's run of one batch."""

    def __init__(
        self,
        batch_id: str,
        spec: BatchSpec,
        producer: Producer,
        store: SqlStore,
        lease: Lease,
        *,
        gate: Gate,
        protected: Sequence[ProtectedTexts],
        novelty_text: Callable[[Candidate], str],
        cancel: asyncio.Event,
        on_progress: OnProgress | None,
    ) -> None:
        self._batch_id = batch_id
        self._spec = spec
        self._store = store
        self._lease = lease
        self._gate = gate
        self._protected = protected
        self._novelty_text = novelty_text
        self._cancel = cancel
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._admitted_at = self._began
        self._progress = lease.record.progress
        self._elapsed_before = self._progress.elapsed_seconds
        self._source_index = {source.id: n for n, source in enumerate(spec.sources)}
        self._errors: deque[str] = deque(maxlen=3)
        self._judge_unhealthy = False
        self._producer = producer
        self._oversampler = Oversampler(
            spec.count, [source.id for source in spec.sources], IN_FLIGHT_PER_SLOT * self._slots
        )
        self._dispatcher = Dispatcher(producer.produce, _judged(self._progress))

    async def to_the_end(self) -> BatchResult:
        """Catch up with the ledger, loop, settle, and write down how it ended."""
        watch = asyncio.create_task(self._watch_cancel())
        self._lease.on_change = self._dispatcher.wake
        try:
            await self._catch_up()
            await self._start_clock()
            reason = await self._loop()
            reason = await self._settle(reason)
            return await self._conclude(reason)
        finally:
            watch.cancel()
            await self._dispatcher.recall("the run was interrupted")

    async def _loop(self) -> StopReason:
        while (reason := self._stop_reason()) is None:
            self._draw()
            await self._dispatcher.wait(self._seconds_left_to_wait())
            if self._admission_due():
                await self._admit(_until_judge_fell_ill(self._dispatcher.take()))
        return reason

    def _admission_due(self) -> bool:
        """A transaction costs more than a row: rows wait for others, but nothing for them."""
        out = self._dispatcher
        waited = time.monotonic() - self._admitted_at >= ADMIT_EVERY_SECONDS
        return waited or out.finished >= self._slots or out.running == 0

    def _seconds_left_to_wait(self) -> float | None:
        """Until the budget is spent, or finished draws have waited long enough."""
        left = self._seconds_left()
        if not self._dispatcher.finished:
            return left
        due = max(0.0, self._admitted_at + ADMIT_EVERY_SECONDS - time.monotonic())
        return due if left is None else min(left, due)

    async def _settle(self, reason: StopReason) -> StopReason:
        """Cancel what is out; every draw still gets its row.

        What finished counts up to the first draw that did not: beyond it quick texts are done and
        slow ones are not, and admitting those that are would favour short texts.
        """
        reached = reason is StopReason.COUNT_REACHED
        why = _HAS_ITS_SAMPLES if reached else f"the batch stopped ({reason})"
        recalled = await self._dispatcher.recall(why)
        if self._judge_unhealthy:
            recalled = _cancelled_from(0, recalled, why)
        elif not reached:
            recalled = _cancelled_from(_first(CANCELLED, recalled), recalled, why)
        await self._admit(_until_judge_fell_ill(recalled))
        return StopReason.COUNT_REACHED if self._missing() == 0 else reason

    async def _conclude(self, reason: StopReason) -> BatchResult:
        status = _status(reason, self._spec.fail_on_shortfall)
        message = self._message(reason)
        await self._store.call(
            self._store.set_status,
            self._batch_id,
            status,
            stop_reason=reason,
            message=message,
            owner=self._lease.owner,
        )
        self._progress = await self._store.call(self._store.progress, self._batch_id)
        return BatchResult(status, reason, self._progress, message)

    async def _start_clock(self) -> None:
        """Loading the model is over; from here on the time is the batch's own."""
        owner = self._lease.owner
        self._progress = await self._store.call(self._store.start_clock, self._batch_id, owner)
        self._elapsed_before = self._progress.elapsed_seconds
        self._began = time.monotonic()

    async def _catch_up(self) -> None:
        """Learn from the ledger what earlier runs learned."""
        rows = await self._store.call(self._store.outcomes, self._batch_id)
        for source_id, outcome, error in rows:
            self._observe(source_id, outcome, error)
        if self._on_progress:
            self._on_progress(self._progress, [])

    @property
    def _slots(self) -> int:
        """How many draws keep the producer busy now; one on a cluster grows and shrinks."""
        return max(1, self._producer.concurrency)

    def _draw(self) -> None:
        out = self._dispatcher
        self._oversampler.window = IN_FLIGHT_PER_SLOT * self._slots
        for index in self._oversampler.plan(out.in_flight, self._draws_left()):
            seq = out.next_seq
            out.send(Draw(seq, self._spec.sources[index], seed_of(self._spec.seed, seq)))

    async def _admit(self, produced: Sequence[Produced]) -> None:
        if not produced:
            return
        rows = await self._store.call(
            self._store.admit,
            self._batch_id,
            produced,
            room=self._missing(),
            gate=self._gate,
            protected=self._protected,
            novelty_text=self._novelty_text,
            owner=self._lease.owner,
        )
        self._admitted_at = time.monotonic()
        self._progress = await self._store.call(self._store.progress, self._batch_id)
        for row in rows:
            self._observe(row.source_id, row.outcome, row.error)
        if self._on_progress:
            self._on_progress(self._progress, rows)

    def _observe(self, source_id: str, outcome: Outcome, error: str | None) -> None:
        code = _code(error)
        if code == CANCELLED:  # by an end that a crash kept from being written down
            return
        if error:
            self._errors.append(error)
            self._judge_unhealthy |= code == StopReason.JUDGE_UNHEALTHY
        index = self._source_index[source_id]
        self._oversampler.observe(index, outcome, too_long=code == "prompt_too_long")

    def _stop_reason(self) -> StopReason | None:
        if self._lease.lost:
            raise self._lease.lost
        budget, idle = self._spec.budget, self._dispatcher.in_flight == 0
        reasons = {
            StopReason.COUNT_REACHED: self._missing() == 0,
            StopReason.CANCELLED: self._cancel.is_set() or self._lease.cancel_requested,
            StopReason.MAX_SECONDS: self._seconds_left() == 0,
            StopReason.MAX_TOKENS: _spent(self._tokens(), budget.max_tokens),
            StopReason.MAX_MONEY: _spent(self._money(), budget.max_money),
            StopReason.JUDGE_UNHEALTHY: self._judge_unhealthy,
            StopReason.ENGINE_FAILING: self._oversampler.failing,
            StopReason.NO_USABLE_SOURCE: idle and self._oversampler.exhausted,
            StopReason.MAX_CANDIDATES: idle
            and _spent(self._dispatcher.next_seq, budget.max_candidates),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def _missing(self) -> int:
        return max(0, self._spec.count - self._progress.accepted)

    def _tokens(self) -> int:
        return self._progress.prompt_tokens + self._progress.completion_tokens

    def _money(self) -> float:
        return money(self._progress, self._lease.record.price) or 0.0

    def _draws_left(self) -> int:
        """Draws that the producer and the budgets have room for now.

        Tokens and money are reckoned at the mean of the ledger's candidates; while any are left,
        one draw may be out, or the batch would stand still.
        """
        out, budget = self._dispatcher, self._spec.budget
        left = RUNNING_PER_SLOT * self._slots - out.running
        if budget.max_candidates is not None:
            left = min(left, budget.max_candidates - out.next_seq)
        for used, limit in (
            (self._tokens(), budget.max_tokens),
            (self._money(), budget.max_money),
        ):
            if limit is not None and used:
                affordable = int((limit - used) / (used / _judged(self._progress)))
                left = min(left, max(affordable, 1) - out.in_flight)
        return left

    def _seconds_left(self) -> float | None:
        limit = self._spec.budget.max_seconds
        if limit is None:
            return None
        return max(0.0, limit - self._elapsed_before - (time.monotonic() - self._began))

    def _message(self, reason: StopReason) -> str:
        if reason is StopReason.COUNT_REACHED:
            return ""
        message = f"{self._progress.accepted} of {self._spec.count} samples: {reason}"
        details = list(dict.fromkeys(self._errors))
        if reason is StopReason.NO_USABLE_SOURCE:
            details = [f"{name}: {why}" for name, why in self._oversampler.retired.items()][:3]
        return "; ".join([message, *details])

    async def _watch_cancel(self) -> None:
        await self._cancel.wait()
        self._dispatcher.wake()


def seed_of(batch_seed: int, seq: int) -> int:
    """The seed of one candidate: 48 bits, the same on every machine and in every run."""
    digest = hashlib.blake2b(f"{batch_seed}:{seq}".encode(), digest_size=6).digest()
    return int.from_bytes(digest)


def _code(error: str | None) -> str:
    return (error or "").partition(":")[0]


def _first(code: str, produced: Sequence[Produced]) -> int:
    """The place of the first that failed with this code; their number when none did."""
    failed = (place for place, item in enumerate(produced) if _code(item.error) == code)
    return next(failed, len(produced))


def _cancelled_from(place: int, produced: Sequence[Produced], why: str) -> list[Produced]:
    """From `place` on, what was finished is cancelled; its text and its cost stay on record."""
    error = f"{CANCELLED}: {why}"
    rest = [item if item.error else replace(item, error=error) for item in produced[place:]]
    return [*produced[:place], *rest]


def _until_judge_fell_ill(produced: Sequence[Produced]) -> list[Produced]:
    """Nothing after the first draw that found the judge unhealthy has a verdict to rely upon."""
    ill = _first(StopReason.JUDGE_UNHEALTHY, produced)
    return _cancelled_from(ill, produced, f"the batch stopped ({StopReason.JUDGE_UNHEALTHY})")


def _judged(progress: Progress) -> int:
    return progress.accepted + progress.rejected + progress.failed


def _spent(used: float, limit: float | None) -> bool:
    return limit is not None and used >= limit


def _status(reason: StopReason, fail_on_shortfall: bool) -> Status:
    if reason is StopReason.COUNT_REACHED:
        return Status.COMPLETED
    if reason is StopReason.CANCELLED:
        return Status.CANCELLED
    if reason not in _BUDGETS:
        return Status.FAILED
    if not fail_on_shortfall:
        return Status.COMPLETED
    return Status.EXPIRED if reason is StopReason.MAX_SECONDS else Status.FAILED
