"""Brings a database of an earlier Winnow up to date, and keeps what is in it."""

import time
from collections.abc import Callable, Mapping

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    column,
    func,
    insert,
    inspect,
    select,
    table,
    update,
)

from workers.errors import StoreError
from workers.store import codec
from workers.store.schema import (
    SCHEMA_VERSION,
    batches,
    calibrations,
    candidates,
    metadata,
    schema_version,
    specs,
)

ADDED_BY_3: Mapping[str, str] = {
    "rejected_tokens": "BIGINT NOT NULL DEFAULT 0",
    "aborted": "INTEGER NOT NULL DEFAULT 0",
    "aborted_tokens": "BIGINT NOT NULL DEFAULT 0",
    "unaborted": "INTEGER NOT NULL DEFAULT 0",
    "grading_tokens": "BIGINT NOT NULL DEFAULT 0",
    "grading_engine_seconds": "FLOAT NOT NULL DEFAULT 0",
    "price_per_engine_hour": "FLOAT",
    "currency": "VARCHAR(16)",
}
"""Columns of `batches`."""
WIDENED_BY_4 = (
    *("total", "accepted", "rejected", "failed", "aborted", "unaborted"),
    *("prompt_tokens", "completion_tokens"),
)
"""Columns of `batches` that held 32 bits; SQLite's hold 64 under any name."""
ADDED_BY_5: Mapping[str, str] = {"tenant": "VARCHAR(64)"}
"""Columns of `batches`; its keys got longer, too, as they now begin with the tenant."""
_SPECS_UNTIL_3 = table("batches", column("id"), column("spec"))
_MIGRATING = 0x77696E6E6F77
"""The advisory lock under which processes that start together on PostgreSQL take turns."""


def _to_2(connection: Connection) -> None:
    """Keys of fingerprints in blocks; protected sets. Texts are indexed anew afterwards."""
    connection.exec_driver_sql("DROP TABLE novelty_bands")
    connection.exec_driver_sql("DROP INDEX ix_novelty_texts_exact")
    connection.exec_driver_sql("ALTER TABLE novelty_texts DROP COLUMN exact")
    metadata.create_all(connection)


def _to_3(connection: Connection) -> None:
    """What batches cost. Their texts' tokens are counted anew; what graders asked is not known."""
    for name, kind in ADDED_BY_3.items():
        connection.exec_driver_sql(f"ALTER TABLE batches ADD COLUMN {name} {kind}")
    of_batch, tokens = candidates.c.batch_id == batches.c.id, candidates.c.completion_tokens
    aborted = candidates.c.candidate.contains('"finish_reason":"aborted"', autoescape=True)
    written = candidates.c.candidate.is_not(None)

    def counted(what: ColumnElement[int], *where: ColumnElement[bool]) -> ScalarSelect[int]:
        return select(func.coalesce(what, 0)).where(of_batch, *where).scalar_subquery()

    connection.execute(
        update(batches).values(
            rejected_tokens=counted(func.sum(tokens), candidates.c.outcome == "rejected"),
            aborted=counted(func.count(), aborted),
            aborted_tokens=counted(func.sum(tokens), aborted),
            unaborted=counted(func.count(), written, ~aborted),
        )
    )
    _hash_requests_anew(connection)


def _hash_requests_anew(connection: Connection) -> None:
    """A request has more fields than it had; sent again, it must still be the same request."""
    keyed = select(batches.c.id).where(batches.c.idempotency_key.is_not(None))
    for batch_id in connection.execute(keyed).scalars().all():
        this = batches.c.id == batch_id
        spec = select(_SPECS_UNTIL_3.c.spec).where(_SPECS_UNTIL_3.c.id == batch_id)
        stored = connection.execute(spec).scalar_one()
        now = codec.request_hash(codec.decode_spec(stored))
        connection.execute(update(batches).where(this).values(request_hash=now))


def _to_4(connection: Connection) -> None:
    """Specs in a table of their own; counters of 64 bits."""
    specs.create(connection, checkfirst=True)
    old = _SPECS_UNTIL_3.c
    connection.execute(insert(specs).from_select(["batch_id", "spec"], select(old.id, old.spec)))
    connection.exec_driver_sql("ALTER TABLE batches DROP COLUMN spec")
    if connection.dialect.name != "sqlite":
        wider = ", ".join(f"ALTER COLUMN {name} TYPE BIGINT" for name in WIDENED_BY_4)
        connection.exec_driver_sql(f"ALTER TABLE batches {wider}")


def _to_5(connection: Connection) -> None:
    """Whose a batch is. Those that are there are nobody's."""
    for name, kind in ADDED_BY_5.items():
        connection.exec_driver_sql(f"ALTER TABLE batches ADD COLUMN {name} {kind}")
    connection.exec_driver_sql("CREATE INDEX ix_batches_tenant ON batches (tenant)")
    if connection.dialect.name != "sqlite":
        wider = "ALTER COLUMN idempotency_key TYPE VARCHAR(512)"
        connection.exec_driver_sql(f"ALTER TABLE batches {wider}")


def _to_6(connection: Connection) -> None:
    """Calibrations that callers upload; what counts of a certified request."""
    calibrations.create(connection, checkfirst=True)
    keyed = select(specs).join(batches, batches.c.id == specs.c.batch_id)
    certified = specs.c.spec.contains('"certificate":{', autoescape=True)
    for row in connection.execute(
        keyed.where(batches.c.idempotency_key.is_not(None), certified)
    ).all():
        now = codec.request_hash(codec.decode_spec(row.spec))
        this = batches.c.id == row.batch_id
        connection.execute(update(batches).where(this).values(request_hash=now))


MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {
    1: _to_2,
    2: _to_3,
    3: _to_4,
    4: _to_5,
    5: _to_6,
}
"""By version migrated from; each brings the database to the next version."""


def migrate(connection: Connection) -> None:
    """Create the tables, or bring them up to date, within the caller's transaction.

    Raises StoreError when the database was written by a newer Winnow.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
    if not inspect(connection).has_table("schema_version"):
        metadata.create_all(connection)
        connection.execute(
            insert(schema_version).values(version=SCHEMA_VERSION, changed_at=time.time())
        )
        return
    found = connection.execute(select(schema_version.c.version)).scalar_one()
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"the database has schema {found}, this Winnow knows up to {SCHEMA_VERSION}: "
            "upgrade Winnow or name another database"
        )
    for version in range(found, SCHEMA_VERSION):
        MIGRATIONS[version](connection)
        connection.execute(
            update(schema_version).values(version=version + 1, changed_at=time.time())
        )
