"""What a batch costs is counted with its ledger, and found again in databases made before that."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from older_schemas import make_fourth_schema, make_second_schema

from graders.gate import Gate
from graders.types import Candidate, Failure, Grade, Source, Verdict
from workers.errors import IdempotencyConflictError, SpecError
from workers.store import Spending, SqlStore
from workers.types import BatchSpec, Budget, Draw, Price, Produced

SOURCE = Source("iron", "Iron is a metal.")
SPEC = BatchSpec("essay", 10, (SOURCE,), "scripted", budget=Budget(max_tokens=9))
GATE = Gate({}, ("form", "novelty"))
PRICE = Price(2.0, "EUR")


def produced(seq: int, *, passed: bool = True, finish: str = "stop") -> Produced:
    """A text of `seq` + 1 tokens, written in 2 s, that graders asked 7 tokens about in 1 s."""
    text = f'{seq}: "finish_reason":"aborted" ' + " ".join(f"word{seq}x{n}" for n in range(30))
    candidate = Candidate(
        "?", seq, "essay", text, text, SOURCE, fields={"essay": text}, finish_reason=finish,
        prompt_tokens=3, completion_tokens=seq + 1, engine_seconds=2.0,
        grading_tokens=7, grading_engine_seconds=1.0,
    )  # fmt: skip
    verdict = Verdict(True) if passed else Verdict(False, (Failure("form", "short"),))
    grade = Grade("form", "1", float(passed), seconds=0.5)
    return Produced(Draw(seq, SOURCE, seq), candidate, (grade,), verdict)


LEDGER = (
    produced(0),
    produced(1, passed=False),
    produced(2, passed=False, finish="aborted"),
    produced(3, passed=False, finish="length"),
    Produced(Draw(4, SOURCE, 4), error="engine_error: down"),
)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(url)) as opened:
        yield opened


def run(store: SqlStore, price: Price | None = None) -> str:
    batch_id = store.create_batch(SPEC, "key", price)[0].id
    for items in (LEDGER[:2], LEDGER[2:]):
        store.admit(batch_id, items, room=9, gate=GATE, novelty_text=lambda text: text.body)
    return batch_id


def test_every_counter_of_what_was_spent_is_kept(store: SqlStore) -> None:
    progress = store.progress(run(store))
    assert (progress.prompt_tokens, progress.completion_tokens) == (12, 1 + 2 + 3 + 4)
    assert progress.rejected_tokens == 2 + 3 + 4
    assert (progress.aborted, progress.aborted_tokens, progress.unaborted) == (1, 3, 3)
    assert progress.grading_tokens == 28
    assert (progress.engine_seconds, progress.grading_engine_seconds) == (12.0, 4.0)
    assert progress.grader_seconds == 2.0


def test_the_ledger_keeps_what_each_candidate_took(store: SqlStore) -> None:
    rows = store.rejects(run(store))
    found = [row.candidate and row.candidate.grading_engine_seconds for row in rows]
    assert found == [1.0, 1.0, 1.0, None]


def test_a_batch_keeps_the_price_it_was_asked_at(store: SqlStore) -> None:
    batch_id = run(store, PRICE)
    again, created = store.create_batch(SPEC, "key", Price(99.0))
    assert (again.id, created, again.price) == (batch_id, False, PRICE)
    other = store.create_batch(SPEC)[0]
    assert other.price is None
    assert store.spendings() == [
        Spending(None, store.progress(batch_id), PRICE),
        Spending(None, other.progress, None),
    ]


def test_batches_keys_and_spendings_are_told_apart_by_tenant(store: SqlStore) -> None:
    mine, theirs, again = (
        store.create_batch(SPEC, "key", PRICE, tenant)[0] for tenant in ("a", "b", "a")
    )
    assert mine.id == again.id != theirs.id and (mine.tenant, theirs.tenant) == ("a", "b")
    nobodys, created = store.create_batch(SPEC, "key")
    assert created and nobodys.tenant is None
    assert store.find_by_key(SPEC, "key", "b") == theirs
    assert store.find_by_key(SPEC, "key", "c") is None
    assert [each.id for each in store.list_batches(tenant="a")] == [mine.id]
    assert len(store.list_batches()) == 3
    assert store.spendings("b") == [Spending("b", theirs.progress, PRICE)]
    assert store.create_batch(SPEC, "k" * 255, None, "t" * 64)[1]


def test_a_database_of_the_fourth_schema_keeps_its_batches_as_nobodys(
    url: str, store: SqlStore
) -> None:
    batch_id = run(store, PRICE)
    before = store.get_batch(batch_id)
    make_fourth_schema(store)
    store.close()
    with contextlib.closing(SqlStore(url)) as opened:
        assert opened.get_batch(batch_id) == before
        assert opened.create_batch(SPEC, "key")[0].id == batch_id
        assert opened.create_batch(SPEC, "k" * 255, None, "t" * 64)[0].tenant == "t" * 64


def test_a_budget_of_money_needs_a_price(store: SqlStore) -> None:
    spec = replace(SPEC, budget=Budget(max_money=1.0))
    with pytest.raises(SpecError, match="max_money needs a price"):
        store.create_batch(spec)
    assert store.create_batch(spec, None, PRICE)[0].spec == spec


def test_a_database_of_the_second_schema_keeps_its_batches_and_gets_their_costs(
    url: str, store: SqlStore
) -> None:
    batch_id = run(store)
    idle = store.create_batch(SPEC)[0]
    before, rows = store.get_batch(batch_id), store.rejects(batch_id)
    make_second_schema(store)
    store.close()
    with contextlib.closing(SqlStore(url)) as opened:
        record = opened.get_batch(batch_id)
        unknown = replace(before.progress, grading_tokens=0, grading_engine_seconds=0.0)
        assert record == replace(before, progress=unknown)
        assert opened.get_batch(idle.id) == idle
        assert opened.rejects(batch_id) == rows
        assert opened.create_batch(SPEC, "key")[0].id == batch_id
        with pytest.raises(IdempotencyConflictError):
            opened.create_batch(replace(SPEC, count=11), "key")
        opened.admit(batch_id, [replace(LEDGER[1], draw=Draw(5, SOURCE, 5))], room=9, gate=GATE,
                     novelty_text=lambda text: text.body)  # fmt: skip
        assert opened.progress(batch_id).rejected_tokens == 11
