"""Databases as earlier versions of Winnow left them, made from today's."""

import hashlib

from sqlalchemy import Connection, text

from workers.store import SqlStore
from workers.store.migrations import ADDED_BY_3, ADDED_BY_5, WIDENED_BY_4

TO_5 = (
    "DROP TABLE calibrations",
    "UPDATE schema_version SET version = 5",
)
TO_4 = (
    "DROP INDEX ix_batches_tenant",
    *(f"ALTER TABLE batches DROP COLUMN {name}" for name in ADDED_BY_5),
    "UPDATE schema_version SET version = 4",
)
TO_3 = (
    "ALTER TABLE batches ADD COLUMN spec TEXT NOT NULL DEFAULT ''",
    "UPDATE batches SET spec = (SELECT spec FROM specs WHERE batch_id = batches.id)",
    "DROP TABLE specs",
    "UPDATE schema_version SET version = 3",
)
TO_2 = (
    *(f"ALTER TABLE batches DROP COLUMN {name}" for name in ADDED_BY_3),
    "UPDATE schema_version SET version = 2",
)


def make_fifth_schema(store: SqlStore) -> None:
    """Take away what the sixth added: uploaded calibrations."""
    run(store, *TO_5)


def make_fourth_schema(store: SqlStore) -> None:
    """Also take away what the fifth added: whose a batch is, and longer keys."""
    make_fifth_schema(store)
    run(store, *TO_4)
    if not _is_sqlite(store):
        run(store, "ALTER TABLE batches ALTER COLUMN idempotency_key TYPE VARCHAR(255)")


def make_third_schema(store: SqlStore) -> None:
    """Also take away what the fourth added: specs in their own table, wide counters."""
    make_fourth_schema(store)
    run(store, *TO_3)
    if not _is_sqlite(store):
        run(store, *(f"ALTER TABLE batches ALTER COLUMN {n} TYPE INTEGER" for n in WIDENED_BY_4))


def make_second_schema(store: SqlStore) -> None:
    """Also take away what the third added: columns, and a field of the specs."""
    make_third_schema(store)
    run(store, *TO_2)
    store._database.write(_forget_max_money)


def run(store: SqlStore, *statements: str) -> None:
    """Change the database behind the store's back."""
    for statement in statements:
        store._database.write(lambda connection, it=statement: connection.exec_driver_sql(it))


def _is_sqlite(store: SqlStore) -> bool:
    return store._database._engine.dialect.name == "sqlite"


def _forget_max_money(connection: Connection) -> None:
    for batch_id, spec in connection.execute(text("SELECT id, spec FROM batches")).all():
        assert ',"max_money":null' in spec
        old = spec.replace(',"max_money":null', "")
        values = {"id": batch_id, "spec": old, "hash": hashlib.sha256(old.encode()).hexdigest()}
        change = text("UPDATE batches SET spec = :spec, request_hash = :hash WHERE id = :id")
        connection.execute(change, values)
