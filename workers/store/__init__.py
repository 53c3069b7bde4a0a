"""Where batches, their ledgers and the novelty index live: SQLite, or PostgreSQL by URL."""

from workers.store.records import BatchRecord, Spending
from workers.store.sql import SqlStore

__all__ = ["BatchRecord", "Spending", "SqlStore"]
