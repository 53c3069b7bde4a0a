"""The loop: exactly N where N can be had, and an account of every candidate where not."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.gate import Gate
from graders.types import Candidate, Failure, Grade, Source, Verdict
from workers.errors import BatchBusyError, StoreFullError
from workers.lease import Lease
from workers.pipeline import run_batch, seed_of
from workers.store import SqlStore
from workers.types import (
    BatchResult,
    BatchSpec,
    Budget,
    Draw,
    LedgerRow,
    Price,
    Produced,
    Progress,
    Status,
    StopReason,
)

SOURCES = tuple(Source(f"s{n}", f"source {n}") for n in range(3))
SPEC = BatchSpec("essay", 10, SOURCES, "scripted")
GATE = Gate({}, ("form", "novelty"))
Script = Callable[[Draw], str]


class ScriptedProducer:
    """Does what the script says of each draw: pass, reject, an error, or `raise`."""

    def __init__(
        self, script: Script = lambda draw: "pass", delays: Sequence[int] = (0,), slots: int = 4
    ) -> None:
        self.concurrency = slots
        self.drawn: list[int] = []
        self._script = script
        self._delays = delays

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def produce(self, draw: Draw) -> Produced:
        self.drawn.append(draw.seq)
        for _ in range(self._delays[draw.seq % len(self._delays)]):
            await asyncio.sleep(0)
        word = self._script(draw)
        if word == "hang":
            await asyncio.Event().wait()
        if word == "raise":
            raise RuntimeError("a producer's bug")
        if word not in ("pass", "reject"):
            return Produced(draw, error=word)
        text = f"sample {draw.seq} {draw.seed}"
        candidate = Candidate(
            "b", draw.seq, "essay", text, text, draw.source, prompt_tokens=4, completion_tokens=6,
            engine_seconds=36.0,
        )  # fmt: skip
        verdict = Verdict(True) if word == "pass" else Verdict(False, (Failure("form", "bad"),))
        score = float(word == "pass")
        return Produced(draw, candidate, (Grade("form", "1", score),), verdict)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(f"sqlite:///{tmp_path}/winnow.db")) as opened:
        yield opened


async def run(
    store: SqlStore,
    producer: ScriptedProducer,
    spec: BatchSpec = SPEC,
    *,
    batch_id: str | None = None,
    cancel: asyncio.Event | None = None,
    on_progress: Callable[[Progress, list[LedgerRow]], None] | None = None,
    lease_seconds: float = 10.0,
) -> tuple[BatchResult, str]:
    batch_id = batch_id or store.create_batch(spec)[0].id
    result = await run_batch(
        batch_id,
        spec,
        producer,
        store,
        gate=GATE,
        novelty_text=lambda candidate: candidate.text,
        cancel=cancel,
        on_progress=on_progress,
        lease_seconds=lease_seconds,
    )
    return result, batch_id


def check_ledger(store: SqlStore, batch_id: str, drawn: Sequence[int]) -> None:
    """Every draw has exactly one row, and the counters agree with the rows."""
    rows = store.samples(batch_id) + store.rejects(batch_id)
    assert sorted(row.seq for row in rows) == list(range(len(rows)))
    assert set(drawn) <= {row.seq for row in rows}
    progress = store.progress(batch_id)
    assert progress.accepted == len(store.samples(batch_id)) <= progress.total
    assert progress.accepted + progress.rejected + progress.failed == len(rows)


async def test_exactly_as_many_as_asked_for(store: SqlStore) -> None:
    producer = ScriptedProducer(lambda draw: "reject" if draw.seq % 3 else "pass", (0, 9, 2))
    result, batch_id = await run(store, producer)
    assert (result.status, result.stop_reason) == (Status.COMPLETED, StopReason.COUNT_REACHED)
    assert result.progress.accepted == 10
    assert [row.seq for row in store.samples(batch_id)] == [3 * n for n in range(10)]
    check_ledger(store, batch_id, producer.drawn)
    record = store.get_batch(batch_id)
    assert record.status is Status.COMPLETED
    assert record.ended_at is not None


async def test_samples_are_admitted_in_seq_order_and_not_as_they_finish(store: SqlStore) -> None:
    seqs: list[int] = []
    producer = ScriptedProducer(delays=(30, 0, 15, 1, 7))
    await run(store, producer, on_progress=lambda _, rows: seqs.extend(row.seq for row in rows))
    assert seqs == sorted(seqs)
    assert len(set(seqs)) == len(seqs)


async def test_a_sources_share_of_the_samples_is_even(store: SqlStore) -> None:
    _, batch_id = await run(store, ScriptedProducer(), replace(SPEC, count=30))
    ids = [row.source_id for row in store.samples(batch_id)]
    assert max(map(ids.count, ids)) - min(map(ids.count, ids)) <= 1


async def test_the_candidate_budget_is_never_exceeded(store: SqlStore) -> None:
    spec = replace(SPEC, budget=Budget(max_candidates=7))
    producer = ScriptedProducer(lambda draw: "reject")
    result, batch_id = await run(store, producer, spec)
    assert (result.status, result.stop_reason) == (Status.COMPLETED, StopReason.MAX_CANDIDATES)
    assert len(producer.drawn) == result.progress.rejected == 7
    assert "0 of 10" in result.message
    check_ledger(store, batch_id, producer.drawn)


async def test_a_spent_token_budget_ends_the_batch_at_about_its_limit(store: SqlStore) -> None:
    spec = replace(SPEC, count=1000, budget=Budget(max_tokens=500))
    result, _ = await run(store, ScriptedProducer(), spec)
    assert result.stop_reason is StopReason.MAX_TOKENS
    assert 500 <= result.progress.prompt_tokens + result.progress.completion_tokens <= 600


async def test_a_spent_budget_of_money_ends_the_batch_at_about_its_limit(store: SqlStore) -> None:
    spec = replace(SPEC, count=1000, budget=Budget(max_money=50.0))
    batch_id = store.create_batch(spec, None, Price(100.0, "EUR"))[0].id
    result, _ = await run(store, ScriptedProducer(), spec, batch_id=batch_id)
    assert (result.status, result.stop_reason) == (Status.COMPLETED, StopReason.MAX_MONEY)
    assert 50 * 36 <= result.progress.engine_seconds <= 60 * 36


@pytest.mark.parametrize(
    ("budget", "status"),
    [
        (Budget(max_seconds=0.5), Status.EXPIRED),
        (Budget(max_candidates=3), Status.FAILED),
    ],
)
async def test_a_shortfall_that_is_not_allowed_is_no_completion(
    store: SqlStore, budget: Budget, status: Status
) -> None:
    spec = replace(SPEC, budget=budget, fail_on_shortfall=True)
    word = "hang" if budget.max_seconds else "reject"
    producer = ScriptedProducer(lambda draw: word)
    result, batch_id = await run(store, producer, spec)
    assert result.status is status
    check_ledger(store, batch_id, producer.drawn)


async def test_time_runs_out_even_when_nothing_ever_comes_back(store: SqlStore) -> None:
    spec = replace(SPEC, budget=Budget(max_seconds=0.5))
    result, batch_id = await run(store, ScriptedProducer(lambda draw: "hang"), spec)
    assert (result.status, result.stop_reason) == (Status.COMPLETED, StopReason.MAX_SECONDS)
    errors = {row.error for row in store.rejects(batch_id)}
    assert errors == {"cancelled: the batch stopped (max_seconds)"}


async def test_the_time_before_the_first_draw_is_not_the_batchs(store: SqlStore) -> None:
    spec = replace(SPEC, budget=Budget(max_seconds=0.3))
    batch_id = store.create_batch(spec)[0].id
    for slots in (1, 4):
        async with Lease(store, batch_id, 0.15) as lease:
            await asyncio.sleep(0.4)
            if slots == 1:
                continue
            result = await run_batch(
                batch_id, spec, ScriptedProducer(), store,
                gate=GATE, novelty_text=lambda candidate: candidate.text, lease=lease,
            )  # fmt: skip
    assert result.stop_reason is StopReason.COUNT_REACHED
    assert result.progress.elapsed_seconds < 0.3


async def test_cancelling_keeps_what_came_before_the_first_unfinished_draw_and_no_more(
    store: SqlStore,
) -> None:
    cancel = asyncio.Event()

    def stop(progress: Progress, rows: list[LedgerRow]) -> None:
        if progress.accepted >= 2:
            cancel.set()

    producer = ScriptedProducer(lambda draw: "hang" if draw.seq == 3 else "pass")
    result, batch_id = await run(store, producer, cancel=cancel, on_progress=stop)
    assert (result.status, result.stop_reason) == (Status.CANCELLED, StopReason.CANCELLED)
    assert [row.seq for row in store.samples(batch_id)] == [0, 1, 2]
    cancelled = store.rejects(batch_id)
    assert [row.seq for row in cancelled] == list(range(3, max(producer.drawn) + 1))
    assert {row.error for row in cancelled} == {"cancelled: the batch stopped (cancelled)"}
    assert cancelled[1].candidate is not None
    check_ledger(store, batch_id, producer.drawn)


@pytest.mark.parametrize("budget", [Budget(max_seconds=0.4), Budget(max_tokens=150)])
async def test_a_budget_that_is_spent_admits_no_quick_text_in_place_of_a_slow_one(
    store: SqlStore, budget: Budget
) -> None:
    spec = replace(SPEC, count=1000, budget=budget)
    producer = ScriptedProducer(lambda draw: "hang" if draw.seq == 20 else "pass", slots=16)
    if budget.max_seconds is None:
        producer = ScriptedProducer(delays=(0, 0, 0, 200), slots=16)
    result, batch_id = await run(store, producer, spec)
    seqs = [row.seq for row in store.samples(batch_id)]
    assert seqs == list(range(len(seqs)))
    assert result.progress.accepted == len(seqs) > 0
    check_ledger(store, batch_id, producer.drawn)


async def test_nothing_is_admitted_after_the_judge_was_found_unhealthy(store: SqlStore) -> None:
    ill = "judge_unhealthy: it fails its canaries"
    producer = ScriptedProducer(lambda draw: ill if draw.seq == 3 else "pass", (0, 5, 0), slots=8)
    result, batch_id = await run(store, producer, replace(SPEC, count=100))
    assert (result.status, result.stop_reason) == (Status.FAILED, StopReason.JUDGE_UNHEALTHY)
    assert [row.seq for row in store.samples(batch_id)] == [0, 1, 2]
    check_ledger(store, batch_id, producer.drawn)


async def test_a_cancel_request_in_the_database_reaches_the_run(store: SqlStore) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    producer = ScriptedProducer(lambda draw: "hang")
    running = asyncio.create_task(run(store, producer, batch_id=batch_id, lease_seconds=0.3))
    while not producer.drawn:
        await asyncio.sleep(0.01)
    store.request_cancel(batch_id)
    result, _ = await running
    assert result.status is Status.CANCELLED


async def test_an_engine_that_only_fails_ends_the_batch_with_its_last_errors(
    store: SqlStore,
) -> None:
    producer = ScriptedProducer(lambda draw: f"engine_error: out of memory at {draw.seq % 2}")
    result, batch_id = await run(store, producer)
    assert (result.status, result.stop_reason) == (Status.FAILED, StopReason.ENGINE_FAILING)
    assert "out of memory at 1" in result.message
    check_ledger(store, batch_id, producer.drawn)


async def test_sources_that_are_all_too_long_end_the_batch(store: SqlStore) -> None:
    producer = ScriptedProducer(lambda draw: "prompt_too_long: 9000 tokens")
    result, _ = await run(store, producer)
    assert (result.status, result.stop_reason) == (Status.FAILED, StopReason.NO_USABLE_SOURCE)
    assert "s0: prompt too long" in result.message


async def test_a_producer_that_raises_costs_one_candidate_only(store: SqlStore) -> None:
    producer = ScriptedProducer(lambda draw: "raise" if draw.seq == 1 else "pass")
    result, batch_id = await run(store, producer)
    assert result.progress.accepted == 10
    errors = [row.error for row in store.rejects(batch_id)]
    assert "engine_error: RuntimeError: a producer's bug" in errors


async def test_a_full_disk_leaves_the_batch_in_progress_and_a_later_run_ends_it(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> list[LedgerRow]:
        raise StoreFullError("no room left")

    batch_id = store.create_batch(SPEC)[0].id
    with monkeypatch.context() as patch:
        patch.setattr(store, "admit", full)
        with pytest.raises(StoreFullError):
            await run(store, ScriptedProducer(), batch_id=batch_id)
    assert store.unfinished() == [batch_id]
    result, _ = await run(store, ScriptedProducer(), batch_id=batch_id)
    assert result.progress.accepted == 10


async def test_an_interrupted_run_is_taken_up_where_it_was(store: SqlStore) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    first = ScriptedProducer(lambda draw: "hang" if draw.seq == 4 else "pass")
    running = asyncio.create_task(run(store, first, batch_id=batch_id))
    while len(store.outcomes(batch_id)) < 4:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    second = ScriptedProducer()
    result, _ = await run(store, second, batch_id=batch_id)
    assert min(second.drawn) == 4
    assert result.progress.accepted == 10
    check_ledger(store, batch_id, second.drawn)


async def test_a_batch_that_has_ended_is_not_run_again(store: SqlStore) -> None:
    first, batch_id = await run(store, ScriptedProducer())
    idle = ScriptedProducer()
    again, _ = await run(store, idle, batch_id=batch_id)
    assert again.stop_reason is first.stop_reason
    assert idle.drawn == []


async def test_a_second_run_of_a_running_batch_is_refused(store: SqlStore) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    store.claim(batch_id, "another process")
    with pytest.raises(BatchBusyError):
        await run(store, ScriptedProducer(), batch_id=batch_id)


async def test_a_run_that_loses_its_lease_stops_without_a_trace(store: SqlStore) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    producer = ScriptedProducer(lambda draw: "hang")
    running = asyncio.create_task(run(store, producer, batch_id=batch_id, lease_seconds=0.3))
    while not producer.drawn:
        await asyncio.sleep(0.01)
    owner_gone = "UPDATE batches SET owner = 'other'"
    store._database.write(lambda connection: connection.exec_driver_sql(owner_gone))
    with pytest.raises(BatchBusyError):
        await running
    assert store.outcomes(batch_id) == []


def test_a_candidates_seed_depends_on_the_batchs_seed_and_its_place_only() -> None:
    assert seed_of(0, 1) == seed_of(0, 1)
    seeds = {seed_of(batch, seq) for batch in range(10) for seq in range(100)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**48 for seed in seeds)


WORDS = ("pass", "pass", "reject", "engine_error: x", "prompt_too_long: x", "raise")


@settings(max_examples=12, deadline=None)
@given(
    count=st.integers(1, 12),
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=9),
    delays=st.lists(st.integers(0, 12), min_size=1, max_size=7),
    slots=st.integers(1, 5),
    max_candidates=st.integers(1, 40),
)
def test_whatever_the_producer_does_every_draw_is_accounted_for_once(
    count: int, words: list[str], delays: list[int], slots: int, max_candidates: int
) -> None:
    spec = replace(SPEC, count=count, budget=Budget(max_candidates=max_candidates))
    producer = ScriptedProducer(lambda draw: words[draw.seq % len(words)], delays, slots)
    with (
        TemporaryDirectory() as folder,
        contextlib.closing(SqlStore(f"sqlite:///{folder}/winnow.db")) as store,
    ):
        result, batch_id = asyncio.run(run(store, producer, spec))
        check_ledger(store, batch_id, producer.drawn)
        assert len(producer.drawn) <= max_candidates
        if result.stop_reason is StopReason.COUNT_REACHED:
            assert result.progress.accepted == count
