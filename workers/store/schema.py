"""The tables, the same for SQLite and PostgreSQL, and the version that guards them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 6

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
    Column("idempotency_key", String(512), unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("stop_reason", String(32)),
    Column("message", Text, nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("total", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False, default=0),
    Column("rejected", BigInteger, nullable=False, default=0),
    Column("failed", BigInteger, nullable=False, default=0),
    Column("rejected_by", Text, nullable=False, default="{}"),
    Column("prompt_tokens", BigInteger, nullable=False, default=0),
    Column("completion_tokens", BigInteger, nullable=False, default=0),
    Column("rejected_tokens", BigInteger, nullable=False, default=0),
    Column("aborted", BigInteger, nullable=False, default=0),
    Column("aborted_tokens", BigInteger, nullable=False, default=0),
    Column("unaborted", BigInteger, nullable=False, default=0),
    Column("grading_tokens", BigInteger, nullable=False, default=0),
    Column("engine_seconds", Float, nullable=False, default=0.0),
    Column("grading_engine_seconds", Float, nullable=False, default=0.0),
    Column("grader_seconds", Float, nullable=False, default=0.0),
    Column("elapsed_seconds", Float, nullable=False, default=0.0),
    Column("counted_at", Float),
    Column("owner", String(128)),
    Column("lease_expires_at", Float),
    Column("price_per_engine_hour", Float),
    Column("currency", String(16)),
    Column("tenant", String(64), index=True),
)
"""What changes while a batch runs, and is read and written often: it holds nothing large."""

specs = Table(
    "specs",
    metadata,
    Column("batch_id", String(64), ForeignKey("batches.id"), primary_key=True),
    Column("spec", Text, nullable=False),
)
"""What was asked for, with all its sources; written once and seldom read."""

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
    Column("text", Text, nullable=False),
)

novelty_sketches = Table(
    "novelty_sketches",
    metadata,
    Column("first_id", Integer, primary_key=True, autoincrement=False),
    Column("fingerprints", LargeBinary, nullable=False),
)
"""Keys of the fingerprints of the texts from `first_id` on, one after another."""

novelty_vectors = Table(
    "novelty_vectors",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("first_id", Integer, nullable=False, index=True),
    Column("texts", Integer, nullable=False),
    Column("embedder", String(64), nullable=False),
    Column("vectors", LargeBinary, nullable=False),
)
"""Embeddings of the texts from `first_id` on, 16-bit floats."""

protected_sets = Table(
    "protected_sets",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("created_at", Float, nullable=False),
)

protected_items = Table(
    "protected_items",
    metadata,
    Column("set_name", String(255), ForeignKey("protected_sets.name"), primary_key=True),
    Column("item", Integer, primary_key=True, autoincrement=False),
    Column("label", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("embedder", String(64)),
    Column("vector", LargeBinary),
)

audits = Table(
    "audits",
    metadata,
    Column("batch_id", String(64), ForeignKey("batches.id"), primary_key=True),
    Column("seed", BigInteger, nullable=False),
    Column("planned", Integer, nullable=False),
    Column("population", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

audit_draws = Table(
    "audit_draws",
    metadata,
    Column("batch_id", String(64), ForeignKey("audits.batch_id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("correct", Boolean),
    Column("labelled_at", Float),
)
"""Samples drawn for an audit, in the order of the draw; `correct` is null until labelled."""

calibrations = Table(
    "calibrations",
    metadata,
    Column("tenant", String(64), primary_key=True, server_default=""),
    Column("recipe", String(255), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("content", Text, nullable=False),
)
"""What callers uploaded, as graders.calibration.scored_set encodes it; tenant "" is nobody's."""
