"""The store: batches written once, gapless ledgers, one winner among near-duplicates."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from older_schemas import make_third_schema
from older_schemas import run as change
from sqlalchemy import Connection, event, func, select

from graders.gate import Gate
from graders.novelty import ProtectedTexts
from graders.types import Candidate, Evidence, Failure, Grade, Source, Verdict
from workers.errors import (
    BatchBusyError,
    BatchNotFoundError,
    IdempotencyConflictError,
    SpecError,
    StoreError,
    StoreFullError,
)
from workers.store import SqlStore
from workers.store.codec import decode_grades, encode_grades
from workers.store.schema import batches
from workers.store.specs import KnownSpecs
from workers.types import (
    BatchSpec,
    Budget,
    Draw,
    LedgerRow,
    Outcome,
    Produced,
    Status,
    StopReason,
)

SOURCE = Source("iron", "Iron is a metal. Its number is 26.")
SPEC = BatchSpec("essay", 10, (SOURCE,), "scripted", budget=Budget(max_tokens=9), protect=("x",))
GATE = Gate({"form": 1.0, "novelty": 0.4}, ("form", "novelty"))
FORM = Grade("form", "1", 1.0, (Evidence("Iron", "fine", 0, 4, supports=True),), seconds=0.5)
PASSED = Verdict(True)
FAILED_FORM = Verdict(False, (Failure("form", "too short"),))


def text_of(seq: int) -> str:
    return f"Number {seq}: " + " ".join(f"word{seq}x{n}" for n in range(30))


def produced(seq: int, text: str | None = None, verdict: Verdict = PASSED) -> Produced:
    words = text_of(seq) if text is None else text
    candidate = Candidate(
        "?", seq, "essay", words, words, SOURCE, fields={"essay": words}, prompt_tokens=3
    )
    return Produced(Draw(seq, SOURCE, seq), candidate, (FORM,), verdict)


def failed(seq: int, error: str = "engine_error: down") -> Produced:
    return Produced(Draw(seq, SOURCE, seq), error=error)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(url)) as opened:
        yield opened


@pytest.fixture
def batch_id(store: SqlStore) -> str:
    return store.create_batch(SPEC)[0].id


def admit(
    store: SqlStore,
    batch_id: str,
    *items: Produced,
    room: int = 100,
    protected: Sequence[ProtectedTexts] = (),
) -> list[LedgerRow]:
    return store.admit(
        batch_id,
        items,
        room=room,
        gate=GATE,
        novelty_text=lambda candidate: candidate.fields["essay"],
        protected=protected,
    )


def test_a_batch_is_read_back_as_it_was_written(store: SqlStore) -> None:
    record, created = store.create_batch(SPEC, "key")
    assert created
    assert record.spec == SPEC
    assert record.status is Status.VALIDATING
    assert store.get_batch(record.id) == record


def test_an_idempotency_key_makes_one_batch_and_refuses_another_request(store: SqlStore) -> None:
    first, _ = store.create_batch(SPEC, "key")
    again, created = store.create_batch(SPEC, "key")
    assert (again.id, created) == (first.id, False)
    with pytest.raises(IdempotencyConflictError, match="key"):
        store.create_batch(replace(SPEC, count=11), "key")
    assert len(store.list_batches()) == 1


def test_one_key_used_by_many_at_once_makes_one_batch(url: str, store: SqlStore) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(store.create_batch(SPEC, "key")[0].id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_request_that_json_cannot_hold_is_refused(store: SqlStore) -> None:
    with pytest.raises(SpecError, match="can't be stored"):
        store.create_batch(replace(SPEC, model="\ud800"))


@pytest.mark.parametrize("unwritable", ["a\0b", "a\ud800"])
def test_what_no_database_holds_is_refused_or_replaced(store: SqlStore, unwritable: str) -> None:
    with pytest.raises(SpecError, match="can't be stored"):
        store.create_batch(replace(SPEC, sources=(Source(unwritable, "x"),)))
    batch_id = store.create_batch(SPEC)[0].id
    admit(store, batch_id, failed(0, f"engine_error: {unwritable}"))
    assert store.outcomes(batch_id)[0][2] in ("engine_error: a\ufffdb", "engine_error: a?")
    store.set_status(batch_id, Status.FAILED, message=unwritable)
    assert store.get_batch(batch_id).message in ("a\ufffdb", "a?")
    for ask in (store.get_batch, store.progress, store.request_cancel, store.audits.get):
        with pytest.raises(BatchNotFoundError):
            ask(unwritable)
    with pytest.raises(BatchNotFoundError):
        store.list_batches(after=unwritable)


def test_batches_are_listed_newest_first_in_pages(store: SqlStore) -> None:
    ids = [store.create_batch(SPEC)[0].id for _ in range(5)]
    page = store.list_batches(limit=2)
    assert [record.id for record in page] == ids[:2:-1]
    assert [record.id for record in store.list_batches(after=page[-1].id)] == ids[2::-1]


def test_an_unknown_batch_is_named(store: SqlStore) -> None:
    for ask in (store.get_batch, store.progress, store.request_cancel):
        with pytest.raises(BatchNotFoundError, match="batch_x"):
            ask("batch_x")
    with pytest.raises(BatchNotFoundError):
        store.claim("batch_x", "me")


def test_every_kind_of_outcome_gets_its_row_and_is_counted(store: SqlStore, batch_id: str) -> None:
    ungraded = Verdict(False, (Failure("judge", "no reply", ungraded=True),))
    rows = admit(
        store,
        batch_id,
        produced(0),
        produced(1, verdict=FAILED_FORM),
        failed(2),
        produced(3, verdict=ungraded),
    )
    outcomes = [row.outcome for row in rows]
    assert outcomes == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.FAILED, Outcome.FAILED]
    assert rows[3].error == "grader_error: judge: no reply"
    progress = store.progress(batch_id)
    assert (progress.accepted, progress.rejected, progress.failed) == (1, 1, 2)
    assert progress.rejected_by == {"form": 1}
    assert (progress.prompt_tokens, progress.grader_seconds) == (9, 1.5)
    assert len(store.outcomes(batch_id)) == 4


def test_rows_are_read_back_as_they_were_written(store: SqlStore, batch_id: str) -> None:
    rows = admit(store, batch_id, produced(0), failed(1), produced(2, "é\n“x”", FAILED_FORM))
    stored = [*store.samples(batch_id), *store.rejects(batch_id)]
    assert [row.candidate for row in stored] == [
        row.candidate and replace(row.candidate, batch_id=batch_id) for row in rows
    ]
    assert [replace(row, candidate=None) for row in stored] == [
        replace(row, candidate=None) for row in rows
    ]


def test_samples_and_rejects_are_read_in_pages(store: SqlStore, batch_id: str) -> None:
    verdicts = [PASSED, FAILED_FORM] * 4
    admit(store, batch_id, *(produced(n, verdict=verdict) for n, verdict in enumerate(verdicts)))
    assert [row.seq for row in store.samples(batch_id, limit=2)] == [0, 2]
    assert [row.seq for row in store.samples(batch_id, after_seq=2)] == [4, 6]
    assert [row.seq for row in store.rejects(batch_id, after_seq=1, limit=2)] == [3, 5]


def test_a_near_duplicate_is_rejected_whoever_was_admitted_before(store: SqlStore) -> None:
    first, second = (store.create_batch(SPEC)[0].id for _ in range(2))
    admit(store, first, produced(0))
    near = text_of(0) + " and more"
    rows = admit(store, second, produced(0, near), produced(1), produced(2, text_of(1).upper()))
    assert [row.outcome.value for row in rows] == ["rejected", "accepted", "rejected"]
    assert rows[0].verdict is not None
    assert f"{first}/0" in rows[0].verdict.failures[0].reason
    assert store.progress(second).rejected_by == {"novelty": 2}


def test_a_protected_text_is_not_repeated(store: SqlStore, batch_id: str) -> None:
    [row] = admit(store, batch_id, produced(0), protected=[ProtectedTexts([text_of(0)])])
    assert row.outcome is Outcome.REJECTED


def test_no_more_are_accepted_than_there_is_room_for(store: SqlStore, batch_id: str) -> None:
    rows = admit(store, batch_id, *(produced(n) for n in range(4)), room=2)
    assert [row.outcome.value for row in rows] == ["accepted", "accepted", "failed", "failed"]
    assert rows[2].error == "cancelled: the batch already has its samples"


@pytest.mark.parametrize("seqs", [[1], [0, 2], [1, 0], [0, 0]])
def test_a_gap_in_the_ledger_is_refused_and_leaves_no_trace(
    store: SqlStore, batch_id: str, seqs: list[int]
) -> None:
    with pytest.raises(StoreError, match="do not continue"):
        admit(store, batch_id, *(produced(seq) for seq in seqs))
    assert store.outcomes(batch_id) == []


def test_of_near_duplicates_admitted_at_once_by_two_threads_only_one_enters(url: str) -> None:
    for round_ in range(5):
        with contextlib.closing(SqlStore(url)) as one, contextlib.closing(SqlStore(url)) as two:
            ids = [one.create_batch(SPEC)[0].id for _ in range(2)]
            start = threading.Barrier(2)
            rows: list[LedgerRow] = []

            def race(
                store: SqlStore,
                batch_id: str,
                text: str = text_of(round_),
                start: threading.Barrier = start,
                rows: list[LedgerRow] = rows,
            ) -> None:
                start.wait()
                rows.extend(admit(store, batch_id, produced(0, text)))

            threads = [
                threading.Thread(target=race, args=pair)
                for pair in zip((one, two), ids, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(row.outcome.value for row in rows) == ["accepted", "rejected"]


def test_a_claimed_batch_is_busy_until_released_or_expired(store: SqlStore, batch_id: str) -> None:
    assert store.claim(batch_id, "one").status is Status.IN_PROGRESS
    with pytest.raises(BatchBusyError):
        store.claim(batch_id, "two")
    store.release(batch_id, "two")
    with pytest.raises(BatchBusyError):
        store.claim(batch_id, "two")
    store.release(batch_id, "one")
    store.claim(batch_id, "two", seconds=-1)
    store.claim(batch_id, "three")
    with pytest.raises(BatchBusyError):
        store.renew(batch_id, "two")


def test_one_that_lost_its_lease_can_neither_admit_nor_end_the_batch(
    store: SqlStore, batch_id: str
) -> None:
    store.claim(batch_id, "new owner")
    with pytest.raises(BatchBusyError):
        store.admit(
            batch_id, [failed(0)], room=1, gate=GATE, novelty_text=lambda _: "", owner="old owner"
        )
    with pytest.raises(BatchBusyError):
        store.set_status(batch_id, Status.COMPLETED, owner="old owner")
    assert store.outcomes(batch_id) == []


def test_a_cancel_request_waits_for_whoever_runs_the_batch(store: SqlStore, batch_id: str) -> None:
    store.claim(batch_id, "me")
    assert store.request_cancel(batch_id).status is Status.CANCELLING
    assert store.renew(batch_id, "me") is Status.CANCELLING
    store.set_status(batch_id, Status.CANCELLED, stop_reason=StopReason.CANCELLED)
    assert store.request_cancel(batch_id).status is Status.CANCELLED
    assert store.get_batch(batch_id).ended_at is not None


def test_the_running_time_of_a_batch_stands_still_once_it_has_ended(store: SqlStore) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    store.claim(batch_id, "one")
    store.renew(batch_id, "one")
    assert store.start_clock(batch_id, "one").elapsed_seconds == 0
    store.set_status(batch_id, Status.COMPLETED, owner="one")
    ended = store.get_batch(batch_id)
    assert ended.progress.elapsed_seconds > 0
    store.renew(batch_id, "one")
    store.release(batch_id, "one")
    store.claim(batch_id, "another")
    store.release(batch_id, "another")
    assert store.get_batch(batch_id) == ended


async def test_the_store_is_called_in_threads_that_others_do_not_fill(
    store: SqlStore, batch_id: str
) -> None:
    free = threading.Event()
    loop = asyncio.get_running_loop()
    grading = [loop.run_in_executor(None, free.wait) for _ in range(64)]
    progress = await store.call(store.progress, batch_id)
    free.set()
    await asyncio.gather(*grading)
    assert progress.accepted == 0


def test_batches_that_have_not_ended_are_unfinished(store: SqlStore) -> None:
    ids = [store.create_batch(SPEC)[0].id for _ in range(3)]
    store.set_status(ids[1], Status.COMPLETED)
    store.request_cancel(ids[2])
    assert store.unfinished() == [ids[0], ids[2]]


@on_sqlite
def test_a_full_disk_is_named_and_loses_nothing(store: SqlStore, batch_id: str) -> None:
    admit(store, batch_id, produced(0))
    engine = store._database._engine

    def shrink(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1").close()

    engine.dispose()
    event.listen(engine, "connect", shrink)
    with pytest.raises(StoreFullError, match="no room"):
        for seq in range(1, 200):
            admit(store, batch_id, produced(seq))
    kept = len(store.outcomes(batch_id))
    engine.dispose()
    event.remove(engine, "connect", shrink)
    admit(store, batch_id, produced(kept))
    assert len(store.samples(batch_id)) == kept + 1


@on_sqlite
def test_a_database_that_stays_locked_is_an_error_in_the_end(
    url: str, store: SqlStore, batch_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.store.connection.BUSY_SECONDS", 0.01)
    monkeypatch.setattr("workers.store.connection.PAUSES", (0.01,))
    with (
        contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as other,
        contextlib.closing(SqlStore(url)) as waiting,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            admit(waiting, batch_id, produced(0))
    admit(store, batch_id, produced(0))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, just notes. " * 100)
    with pytest.raises(StoreError, match=r"notes\.txt is not a database"):
        SqlStore(f"sqlite:///{path}")
    assert path.read_text().startswith("not a database, just notes.")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "nonsense", "oracle9://x", "sqlite:////no/such/f.db"]
)
def test_a_database_that_cannot_be_used_is_an_error(url: str) -> None:
    with pytest.raises(StoreError):
        SqlStore(url)


def test_a_database_of_a_newer_winnow_is_refused(url: str, store: SqlStore) -> None:
    change(store, "UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match=r"schema 99.*upgrade"):
        SqlStore(url)


def test_an_index_of_another_fingerprint_is_built_anew(
    url: str, store: SqlStore, batch_id: str
) -> None:
    admit(store, batch_id, produced(0))
    change(
        store,
        "DELETE FROM novelty_sketches",
        "UPDATE schema_version SET novelty_index = 'older'",
    )
    with contextlib.closing(SqlStore(url)) as reopened:
        [row] = admit(reopened, batch_id, produced(1, text_of(0) + " and more"))
    assert row.outcome is Outcome.REJECTED


def test_novelty_evidence_points_into_the_whole_text(store: SqlStore, batch_id: str) -> None:
    first, again = produced(0), produced(1, text_of(0))
    assert again.candidate is not None
    whole = replace(again.candidate, text=f"Thesis: x\nEssay: {again.candidate.text}")
    _, row = store.admit(
        batch_id,
        [first, replace(again, candidate=whole)],
        room=2,
        gate=GATE,
        novelty_text=lambda candidate: candidate.fields["essay"],
    )
    evidence = row.grades[-1].evidence[0]
    assert row.outcome is Outcome.REJECTED
    assert whole.text[evidence.start : evidence.end] == evidence.quote != ""


def test_grades_written_before_evidence_had_a_claim_are_read() -> None:
    told = Evidence("Iron", "fine", claim="It is iron.", probability=0.9)
    grades = (replace(FORM, evidence=(told,)),)
    assert decode_grades(encode_grades(grades)) == grades
    older = orjson.loads(encode_grades(grades))
    del older[0]["evidence"][0]["claim"], older[0]["evidence"][0]["probability"]
    [evidence] = decode_grades(orjson.dumps(older).decode())[0].evidence
    assert evidence == Evidence("Iron", "fine")


def test_counters_go_beyond_what_32_bits_hold(store: SqlStore, batch_id: str) -> None:
    first = produced(0)
    assert first.candidate is not None
    many = replace(first.candidate, prompt_tokens=2**31 - 1, completion_tokens=2**31 - 1)
    again = produced(1)
    assert again.candidate is not None
    more = replace(again.candidate, prompt_tokens=7, completion_tokens=9)
    admit(store, batch_id, replace(first, candidate=many))
    admit(store, batch_id, replace(again, candidate=more))
    progress = store.progress(batch_id)
    assert (progress.prompt_tokens, progress.completion_tokens) == (2**31 + 6, 2**31 + 8)


def test_a_database_of_the_third_schema_keeps_its_requests_and_counts_on(
    url: str, store: SqlStore, batch_id: str
) -> None:
    admit(store, batch_id, produced(0))
    before = store.get_batch(batch_id)
    make_third_schema(store)
    store.close()
    with contextlib.closing(SqlStore(url)) as opened:
        assert opened.get_batch(batch_id) == before
        change(opened, f"UPDATE batches SET prompt_tokens = {2**31 - 1}")
        admit(opened, batch_id, produced(1))
        assert opened.progress(batch_id).prompt_tokens == 2**31 + 2


def test_a_batch_whose_making_went_unheard_is_made_once(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store._database.write

    def twice(work: Callable[[Connection], str]) -> str:
        write(work)
        return write(work)

    with monkeypatch.context() as patch:
        patch.setattr(store._database, "write", twice)
        record, created = store.create_batch(SPEC)
        keyed = store.create_batch(SPEC, "key")
    assert created
    assert keyed[1]
    assert [each.id for each in store.list_batches()] == [keyed[0].id, record.id]


def test_an_admission_whose_end_went_unheard_is_not_made_again(
    store: SqlStore, batch_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store._database.write

    def twice(work: Callable[[Connection], list[LedgerRow]]) -> list[LedgerRow]:
        write(work)
        return write(work)

    store.claim(batch_id, "me")
    with monkeypatch.context() as patch:
        patch.setattr(store._database, "write", twice)
        rows = store.admit(
            batch_id, [produced(0), failed(1)], room=9, gate=GATE,
            novelty_text=lambda candidate: candidate.fields["essay"], owner="me",
        )  # fmt: skip
    assert [row.outcome for row in rows] == [Outcome.ACCEPTED, Outcome.FAILED]
    assert len(store.outcomes(batch_id)) == 2


def test_progress_and_admission_never_read_the_request(store: SqlStore, batch_id: str) -> None:
    said: list[str] = []
    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    store.claim(batch_id, "me")
    store.renew(batch_id, "me")
    admit(store, batch_id, produced(0))
    store.progress(batch_id)
    store.release(batch_id, "me")
    assert said
    assert not [statement for statement in said if "specs" in statement]


def test_only_as_many_requests_are_kept_in_memory_as_there_is_room_for() -> None:
    known = KnownSpecs(chars=25)
    for n in range(5):
        known.keep(f"b{n}", "x" * 10, SPEC)
    assert [known.get(f"b{n}") is SPEC for n in range(5)] == [False, False, False, True, True]
    known.keep("large", "x" * 100, SPEC)
    assert known.get("large") is SPEC
    assert known.get("b4") is None


def test_processes_that_start_at_once_make_one_database(url: str) -> None:
    start = threading.Barrier(4)
    versions: list[int] = []

    def open_one() -> None:
        start.wait()
        with contextlib.closing(SqlStore(url)) as opened:
            versions.append(len(opened.list_batches()))

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions == [0] * 4


def test_a_read_sees_one_state_of_the_database(url: str, store: SqlStore, batch_id: str) -> None:
    def count_twice(connection: Connection) -> tuple[int, int]:
        query = select(func.count()).select_from(batches)
        before = connection.execute(query).scalar_one()
        with contextlib.closing(SqlStore(url)) as other:
            other.create_batch(SPEC)
        return before, connection.execute(query).scalar_one()

    assert store._database.read(count_twice) == (1, 1)
    assert len(store.list_batches()) == 2
