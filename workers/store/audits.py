"""Audits: samples drawn at random from a batch that has ended, and what a person says of them."""

import secrets
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, RowMapping, insert, select, update

from graders.calibration.audit import draw_more
from workers.errors import AuditError
from workers.store import leases, rows
from workers.store.connection import Database
from workers.store.records import UNFINISHED, AuditDraw, AuditRecord
from workers.store.schema import audit_draws, audits, candidates
from workers.store.specs import KnownSpecs
from workers.types import BatchSpec, LedgerRow, Outcome, Status

DRAWN = 100
"""How many samples are drawn when nobody says how many: 59 without an error bound 5% of them."""


class Audits:
    """The audits of one database, one for each batch. Methods block; they raise as the store's.

    AuditError says what stands in the way: a batch that still runs, a label that contradicts.
    """

    def __init__(self, database: Database, specs: KnownSpecs) -> None:
        self._database = database
        self._specs = specs

    def get(self, batch_id: str) -> AuditRecord:
        """The batch's audit as it stands. Raises AuditError when none was drawn."""

        def work(connection: Connection) -> AuditRecord:
            leases.read_batch(connection, batch_id)
            return _require(connection, batch_id)

        return self._database.read(work)

    def draw(self, batch_id: str, count: int | None = None, seed: int | None = None) -> AuditRecord:
        """Have `count` accepted samples drawn, uniformly at random and without replacement.

        Asking for no more than were drawn changes nothing; for more, adds to the end of the draw.
        Without a count there are DRAWN, or all that the batch has. Without a seed one is chosen.
        """
        return self._database.write(lambda connection: _draw(connection, batch_id, count, seed))

    def label(
        self, batch_id: str, labels: Mapping[int, bool], *, replace: bool = False
    ) -> AuditRecord:
        """Store labels by `seq`, True for right: all of them or none.

        Raises AuditError for a sample that was not drawn and, unless `replace`, for one that has
        the other label.
        """
        return self._database.write(
            lambda connection: _label(connection, batch_id, labels, replace)
        )

    def samples(self, batch_id: str, seqs: Sequence[int]) -> list[LedgerRow]:
        """The drawn rows with these numbers, in this order."""
        drawn = (audit_draws.c.batch_id == batch_id) & (audit_draws.c.seq == candidates.c.seq)
        query = (
            select(candidates)
            .join(audit_draws, drawn)
            .where(
                candidates.c.batch_id == batch_id,
                candidates.c.outcome == Outcome.ACCEPTED.value,
            )
        )

        def work(connection: Connection) -> tuple[BatchSpec, Sequence[RowMapping]]:
            leases.read_batch(connection, batch_id)
            spec = self._specs.of(connection, [batch_id])[batch_id]
            return spec, connection.execute(query).mappings().all()

        spec, found = self._database.read(work)
        sources = {source.id: source for source in spec.sources}
        by_seq = {row["seq"]: rows.ledger_row(row, sources) for row in found}
        return [by_seq[seq] for seq in seqs]


def _draw(
    connection: Connection, batch_id: str, count: int | None, seed: int | None
) -> AuditRecord:
    batch = leases.read_batch(connection, batch_id, lock=True)
    accepted = _accepted(connection, batch)
    known = _find(connection, batch_id)
    if known is not None and seed is not None and seed != known.seed:
        raise AuditError(
            f"{batch_id} has an audit drawn with seed {known.seed}; a second draw would let one "
            "choose between them: leave the seed out"
        )
    if count is not None and count > len(accepted):
        raise AuditError(f"{count} asked for, but {batch_id} has {len(accepted)} samples")
    drawn = [item.seq for item in known.draws] if known else []
    if count is None:
        count = len(drawn) or min(DRAWN, len(accepted))
    if known is None:
        known = _new(connection, batch_id, count, seed, len(accepted))
    added = draw_more(accepted, drawn, max(0, count - len(drawn)), known.seed)
    if added:
        values = [
            {"batch_id": batch_id, "place": place, "seq": seq}
            for place, seq in enumerate(added, start=len(drawn))
        ]
        connection.execute(insert(audit_draws), values)
    return _require(connection, batch_id)


def _accepted(connection: Connection, batch: RowMapping) -> list[int]:
    """The numbers of its samples. Raises AuditError while there may be more, or if it has none."""
    if Status(batch["status"]) in UNFINISHED:
        raise AuditError(f"{batch['id']} is {batch['status']}; wait until it has ended")
    query = select(candidates.c.seq).where(
        candidates.c.batch_id == batch["id"], candidates.c.outcome == Outcome.ACCEPTED.value
    )
    found = list(connection.execute(query).scalars())
    if not found:
        raise AuditError(f"{batch['id']} has no samples; there is nothing to audit")
    return found


def _new(
    connection: Connection, batch_id: str, count: int, seed: int | None, population: int
) -> AuditRecord:
    record = AuditRecord(
        batch_id,
        secrets.randbits(48) if seed is None else seed,
        count,
        population,
        time.time(),
        (),
    )
    values = {
        "batch_id": batch_id,
        "seed": record.seed,
        "planned": count,
        "population": population,
        "created_at": record.created_at,
    }
    connection.execute(insert(audits).values(values))
    return record


def _label(
    connection: Connection, batch_id: str, labels: Mapping[int, bool], replace: bool
) -> AuditRecord:
    leases.read_batch(connection, batch_id, lock=True)
    known = {item.seq: item.correct for item in _require(connection, batch_id).draws}
    for seq, correct in labels.items():
        if seq not in known:
            raise AuditError(f"sample {seq} was not drawn; label those of the draw")
        if not replace and known[seq] not in (None, correct):
            now = "right" if known[seq] else "wrong"
            raise AuditError(
                f"sample {seq} is labelled {now} already; to change it, say that you replace it"
            )
        connection.execute(
            update(audit_draws)
            .where(audit_draws.c.batch_id == batch_id, audit_draws.c.seq == seq)
            .values(correct=correct, labelled_at=time.time())
        )
    return _require(connection, batch_id)


def _require(connection: Connection, batch_id: str) -> AuditRecord:
    found = _find(connection, batch_id)
    if found is None:
        raise AuditError(f"{batch_id} has no audit yet; draw one first")
    return found


def _find(connection: Connection, batch_id: str) -> AuditRecord | None:
    query = select(audits).where(audits.c.batch_id == batch_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    draws = select(audit_draws.c.seq, audit_draws.c.correct).where(
        audit_draws.c.batch_id == batch_id
    )
    found = connection.execute(draws.order_by(audit_draws.c.place))
    return AuditRecord(
        batch_id=row["batch_id"],
        seed=row["seed"],
        planned=row["planned"],
        population=row["population"],
        created_at=row["created_at"],
        draws=tuple(AuditDraw(seq, correct) for seq, correct in found),
    )
