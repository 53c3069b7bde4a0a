"""Admission: the last, stateful step, in which a passing candidate must also be new."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select, update

from graders.gate import Gate, decide
from graders.types import Candidate, Grade, Verdict
from workers.errors import StoreError
from workers.store import codec, leases, rows
from workers.store.novelty import NewText, NoveltyCheck
from workers.store.outlook import Outlook
from workers.store.schema import batches, candidates, schema_version
from workers.types import LedgerRow, Outcome, Produced

NO_ROOM = "cancelled: the batch already has its samples"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A produced candidate; if it passed, with the text that must be new."""

    produced: Produced
    new: NewText | None = None


def prepare(
    produced: Sequence[Produced], novelty_text: Callable[[Candidate], str], outlook: Outlook
) -> list[Prepared]:
    """Do before the transaction what needs no database."""
    passed = {item.draw.seq: made for item in produced if (made := _passed(item))}
    described = outlook.describe([(made, novelty_text(made)) for made in passed.values()])
    new = dict(zip(passed, described, strict=True))
    return [Prepared(item, new.get(item.draw.seq)) for item in produced]


def admit(
    connection: Connection,
    batch_id: str,
    chunk: Sequence[Prepared],
    *,
    room: int,
    gate: Gate,
    outlook: Outlook,
    owner: str | None,
    repeated: bool = False,
) -> list[LedgerRow]:
    """Write the rows, the counters and the novelty index. See `SqlStore.admit`.

    `repeated` says that this was tried before without learning how it ended: rows of this owner
    that the ledger has already are returned as they are there. Raises OutlookChangedError when
    `chunk` was prepared for other protected texts.
    """
    # Admissions to any batch wait for each other here: each must see what the others admitted.
    connection.execute(select(schema_version).with_for_update()).all()
    batch = leases.require_owner(connection, batch_id, owner)
    if repeated and owner is not None and _ledger_ends_with(batch, chunk):
        return _written(connection, batch_id, chunk)
    _require_next(batch, chunk)
    new = [item.new for item in chunk if item.new]
    check = outlook.check(connection, batch_id, new, batch["tenant"])
    ledger: list[LedgerRow] = []
    for item in chunk:
        ledger.append(_word_on(item, gate, check, room))
        room -= ledger[-1].outcome is Outcome.ACCEPTED
    if ledger:
        values = [rows.candidate_values(batch_id, row) for row in ledger]
        connection.execute(insert(candidates), values)
        check.save()
        _count(connection, batch, ledger)
    return ledger


def _passed(item: Produced) -> Candidate | None:
    if item.error is not None or item.verdict is None or not item.verdict.accepted:
        return None
    return item.candidate


def _ledger_ends_with(batch: RowMapping, chunk: Sequence[Prepared]) -> bool:
    return bool(chunk) and chunk[-1].produced.draw.seq + 1 == _next_seq(batch)


def _written(connection: Connection, batch_id: str, chunk: Sequence[Prepared]) -> list[LedgerRow]:
    """The rows of these candidates as the ledger has them."""
    sources = {item.produced.draw.source.id: item.produced.draw.source for item in chunk}
    query = select(candidates).where(
        candidates.c.batch_id == batch_id, candidates.c.seq >= chunk[0].produced.draw.seq
    )
    found = connection.execute(query.order_by(candidates.c.seq)).mappings()
    return [rows.ledger_row(row, sources) for row in found]


def _next_seq(batch: RowMapping) -> int:
    return int(batch["accepted"] + batch["rejected"] + batch["failed"])


def _require_next(batch: RowMapping, chunk: Sequence[Prepared]) -> None:
    first = _next_seq(batch)
    given = [item.produced.draw.seq for item in chunk]
    if given != list(range(first, first + len(chunk))):
        raise StoreError(f"{batch['id']}: candidates {given} do not continue the ledger at {first}")


def _word_on(item: Prepared, gate: Gate, check: NoveltyCheck, room: int) -> LedgerRow:
    """The final word on one candidate; an accepted one is known to `check` from then on."""
    produced = item.produced
    if produced.error is not None:
        return _row(produced, produced.grades, produced.verdict, produced.error)
    if produced.verdict is None:
        error = "grader_error: no verdict came back"
        return _row(produced, produced.grades, produced.verdict, error)
    if item.new is None:
        return _refused(produced, produced.grades, produced.verdict)
    if room <= 0:
        return _row(produced, produced.grades, produced.verdict, NO_ROOM)
    offset = produced.candidate.text.find(item.new.text) if produced.candidate else -1
    grades = (*produced.grades, check.grade(item.new, offset))
    verdict = decide(gate, grades)
    if not verdict.accepted:
        return _refused(produced, grades, verdict)
    check.add(produced.draw.seq, item.new)
    return _row(produced, grades, verdict, outcome=Outcome.ACCEPTED)


def _refused(produced: Produced, grades: tuple[Grade, ...], verdict: Verdict) -> LedgerRow:
    if verdict.undecided:
        return _row(produced, grades, verdict, f"grader_error: {verdict.undecided}")
    return _row(produced, grades, verdict, outcome=Outcome.REJECTED)


def _row(
    produced: Produced,
    grades: tuple[Grade, ...],
    verdict: Verdict | None,
    error: str | None = None,
    outcome: Outcome = Outcome.FAILED,
) -> LedgerRow:
    draw = produced.draw
    return LedgerRow(draw.seq, outcome, draw.source.id, produced.candidate, grades, verdict, error)


def _count(connection: Connection, batch: RowMapping, ledger: Sequence[LedgerRow]) -> None:
    """Add the rows to the counters; the batch's row is locked."""
    outcomes = Counter(row.outcome for row in ledger)
    made = [row.candidate for row in ledger if row.candidate]
    refused = [row.candidate for row in ledger if row.outcome is Outcome.REJECTED]
    aborted = [item for item in made if item.finish_reason == "aborted"]
    grading_engine_seconds = sum(item.grading_engine_seconds for item in made)
    reasons = Counter(codec.decode_counts(batch["rejected_by"]))
    reasons.update(_rejecting_graders(ledger))
    sums = {
        "accepted": outcomes[Outcome.ACCEPTED],
        "rejected": outcomes[Outcome.REJECTED],
        "failed": outcomes[Outcome.FAILED],
        "prompt_tokens": sum(item.prompt_tokens for item in made),
        "completion_tokens": sum(item.completion_tokens for item in made),
        "rejected_tokens": sum(item.completion_tokens for item in refused if item),
        "aborted": len(aborted),
        "aborted_tokens": sum(item.completion_tokens for item in aborted),
        "unaborted": len(made) - len(aborted),
        "grading_tokens": sum(item.grading_tokens for item in made),
        "engine_seconds": sum(item.engine_seconds for item in made) + grading_engine_seconds,
        "grading_engine_seconds": grading_engine_seconds,
        "grader_seconds": sum(grade.seconds for row in ledger for grade in row.grades),
    }
    connection.execute(
        update(batches)
        .where(batches.c.id == batch["id"])
        .values(
            rejected_by=codec.encode_counts(reasons),
            **{name: batch[name] + value for name, value in sums.items()},
            **leases.elapsed_until_now(),
        )
    )


def _rejecting_graders(ledger: Iterable[LedgerRow]) -> list[str]:
    refused = (row.verdict for row in ledger if row.outcome is Outcome.REJECTED and row.verdict)
    return [failure.grader for verdict in refused for failure in verdict.failures]
