"""The tables, the same for SQLite and PostgreSQL, and the version that guards them."""

import time
from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

from workers.errors import StoreError

SCHEMA_VERSION = 1

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("changed_at", Float, nullable=False),
    Column("novelty_index", String(64)),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("spec", Text, nullable=False),
    Column("idempotency_key", String(255), unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("stop_reason", String(32)),
    Column("message", Text, nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("total", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, default=0),
    Column("rejected", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("rejected_by", Text, nullable=False, default="{}"),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("engine_seconds", Float, nullable=False, default=0.0),
    Column("grader_seconds", Float, nullable=False, default=0.0),
    Column("elapsed_seconds", Float, nullable=False, default=0.0),
    Column("counted_at", Float),
    Column("owner", String(128)),
    Column("lease_expires_at", Float),
)

candidates = Table(
    "candidates",
    metadata,
    Column("batch_id", String(64), ForeignKey("batches.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("outcome", String(8), nullable=False),
    Column("source_id", Text, nullable=False),
    Column("text", Text),
    Column("candidate", Text),
    Column("grades", Text, nullable=False),
    Column("verdict", Text),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Index("candidates_by_outcome", "batch_id", "outcome", "seq"),
)

novelty_texts = Table(
    "novelty_texts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("exact", BigInteger, nullable=False, index=True),
    Column("text", Text, nullable=False),
)

novelty_bands = Table(
    "novelty_bands",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("text_id", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {}
"""By version migrated from; each brings the database to the next version."""


def migrate(connection: Connection) -> None:
    """Create the tables, or bring them up to date, within the caller's transaction.

    Raises StoreError when the database was written by a newer Winnow.
    """
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
