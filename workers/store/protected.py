"""Protected sets: benchmark items and other texts that nothing admitted may repeat."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select

from graders.novelty import ProtectedItem, ProtectedTexts
from graders.novelty.embedding import Embedder
from workers.errors import StoreError
from workers.store.schema import protected_items, protected_sets, schema_version

Changes = tuple[int, float]
"""Which sets there are, in short: how many, and when the newest was made."""


@dataclass(frozen=True, slots=True)
class ProtectedSet:
    """A named set: how many items it has and how many of them can be compared by meaning."""

    name: str
    items: int
    embedded: int
    created_at: float


class StoredProtection:
    """This process's copy of all protected sets, read again when they change."""

    def __init__(self, build: Callable[[Sequence[ProtectedItem]], ProtectedTexts]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._known: Changes = (0, 0.0)
        self._texts: ProtectedTexts | None = None

    def current(
        self, connection: Connection, embedder: Callable[[], str | None]
    ) -> tuple[ProtectedTexts | None, Changes]:
        """All protected texts, None when there are none; and what `changes` was then.

        `embedder` names the version of the vectors that can be used; asked only where there are
        vectors.
        """
        now = changes(connection)
        with self._lock:
            if now != self._known:
                items = _read_items(connection, embedder)
                self._texts = self._build(items) if items else None
                self._known = now
            return self._texts, now


def changes(connection: Connection) -> Changes:
    """Differs whenever a set was added or removed."""
    newest = func.coalesce(func.max(protected_sets.c.created_at), 0.0)
    count, latest = connection.execute(select(func.count(), newest)).one()
    return int(count), float(latest)


def add(
    connection: Connection,
    name: str,
    items: Sequence[tuple[str, str]],
    embedder: Embedder | None,
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] | None,
    created_at: float,
) -> None:
    """Write a set of (label, text). Raises StoreError when the name is taken.

    The set that has this very `created_at` is this one: the database went away after it was
    written, and before it said so.
    """
    _wait_for_admissions(connection)
    taken = select(protected_sets.c.created_at).where(protected_sets.c.name == name)
    there = connection.execute(taken).scalar()
    if there == created_at:
        return
    if there is not None:
        raise StoreError(
            f"{name} is protected already: give this one another --name, or first "
            f"winnow protect --remove {name}"
        )
    connection.execute(insert(protected_sets).values(name=name, created_at=created_at))
    rows = [
        {
            "set_name": name,
            "item": n,
            "label": label,
            "text": text,
            "embedder": embedder.version if embedder else None,
            "vector": None if vectors is None else vectors[n].astype("<f2").tobytes(),
        }
        for n, (label, text) in enumerate(items)
    ]
    connection.execute(insert(protected_items), rows)


def remove(connection: Connection, name: str) -> None:
    """Forget a set. Raises StoreError when there is none of this name."""
    _wait_for_admissions(connection)
    connection.execute(delete(protected_items).where(protected_items.c.set_name == name))
    gone = connection.execute(delete(protected_sets).where(protected_sets.c.name == name))
    if gone.rowcount == 0:
        known = ", ".join(each.name for each in listed(connection)) or "none"
        raise StoreError(f"nothing is protected under the name {name!r}; there are: {known}")


def listed(connection: Connection) -> list[ProtectedSet]:
    """All sets by name."""
    sets, items = protected_sets.c, protected_items.c
    query = (
        select(sets.name, func.count(items.item), func.count(items.vector), sets.created_at)
        .join(protected_items, items.set_name == sets.name)
        .group_by(sets.name, sets.created_at)
        .order_by(sets.name)
    )
    return [ProtectedSet(*row) for row in connection.execute(query)]


def _read_items(connection: Connection, embedder: Callable[[], str | None]) -> list[ProtectedItem]:
    table = protected_items.c
    query = select(table.set_name, table.label, table.text, table.embedder, table.vector)
    rows = connection.execute(query.order_by(table.set_name, table.item)).all()
    version = embedder() if any(row.vector is not None for row in rows) else None
    return [
        ProtectedItem(f"{row.set_name}/{row.label}", row.text, _vector(row.vector))
        if row.vector is not None and row.embedder == version
        else ProtectedItem(f"{row.set_name}/{row.label}", row.text)
        for row in rows
    ]


def _vector(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.frombuffer(data, "<f2").astype(np.float32)


def _wait_for_admissions(connection: Connection) -> None:
    connection.execute(select(schema_version).with_for_update()).all()
