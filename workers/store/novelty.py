"""Novelty at admission: a text against everything ever admitted, within the one transaction.

The database holds the texts and the keys of their fingerprints; a process keeps the keys in
memory too and reads, under the lock of each admission, those that others wrote meanwhile.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from graders.novelty import (
    INDEX_VERSION,
    BandIndex,
    Neighbour,
    closest,
    fingerprints,
    novelty_grade,
)
from graders.novelty.embedding import Vectors
from graders.novelty.fingerprint import KEYS, Keys, keys_from_bytes
from graders.novelty.semantic import in_other_words, same_numbers
from graders.types import Evidence, Grade
from workers.errors import StoreError
from workers.store.meanings import StoredMeanings
from workers.store.schema import batches, novelty_sketches, novelty_texts, schema_version

TEXTS_PER_QUERY = 2000
TEXTS_AT_ONCE = 8192
BYTES_PER_TEXT = 4 * KEYS

log = logging.getLogger(__name__)

_TEXTS = select(
    novelty_texts.c.id, novelty_texts.c.batch_id, novelty_texts.c.seq, novelty_texts.c.text
).where(novelty_texts.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class NewText:
    """A text that asks to be admitted, with all that needs no database to be known.

    `place` is its place among those of its admission, `protected` the nearest of the texts that
    must not be repeated, `copied` a passage taken from its source that is too long.
    """

    place: int
    text: str
    keys: Keys
    protected: Neighbour | None = None
    copied: Evidence | None = None
    vector: Vectors | None = None


class StoredIndex:
    """This process's view of the keys in one database. Text number n has the id n + 1."""

    def __init__(self) -> None:
        self._bands = BandIndex()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._bands)

    @property
    def nbytes(self) -> int:
        """Memory that the keys take up."""
        return self._bands.nbytes

    def sharing(self, connection: Connection, keys: Keys) -> tuple[int, list[list[int]]]:
        """How many texts there are, and the ids of those that share most keys with each row.

        Call it under the lock of an admission, before anything is written.
        """
        with self._lock:
            count = self._catch_up(connection)
            return count, [[n + 1 for n in found] for found in self._bands.sharing(keys)]

    def _catch_up(self, connection: Connection) -> int:
        _require_version(connection)
        count = last_id(connection)
        if count < len(self._bands):
            self._bands = BandIndex()
        self._bands.reserve(count)
        if not self._read_keys(connection, count):
            log.warning("the novelty index was damaged; it is made anew from %d texts", count)
            rebuild(connection)
            self._bands = BandIndex()
            self._bands.reserve(count)
            self._read_keys(connection, count)
        return count

    def _read_keys(self, connection: Connection, count: int) -> bool:
        """Read what is new; False when the rows do not hold one text after another."""
        if count == len(self._bands):
            return True
        table = novelty_sketches.c
        query = select(table.first_id, table.fingerprints).where(table.first_id > len(self._bands))
        next_id, waiting = len(self._bands) + 1, bytearray()
        for first_id, keys in connection.execute(query.order_by(table.first_id)):
            if first_id != next_id or len(keys) % BYTES_PER_TEXT:
                return False
            next_id += len(keys) // BYTES_PER_TEXT
            waiting += keys
            if len(waiting) >= TEXTS_AT_ONCE * BYTES_PER_TEXT:
                self._bands.add(keys_from_bytes(bytes(waiting)))
                waiting.clear()
        self._bands.add(keys_from_bytes(bytes(waiting)))
        return len(self._bands) == count


class NoveltyCheck:
    """Grades the texts of one admission, and remembers those it is told to.

    A text is compared with what the database holds and with what was added here before it. What
    belongs to another than `tenant` counts and is not shown; with None everything is.
    """

    def __init__(
        self,
        connection: Connection,
        batch_id: str,
        texts: Sequence[NewText],
        index: StoredIndex,
        meanings: StoredMeanings | None = None,
        tenant: str | None = None,
    ) -> None:
        self._connection, self._batch_id, self._tenant = connection, batch_id, tenant
        self._own = {batch_id: True}
        self._meanings = meanings
        self._added: dict[int, tuple[int, NewText]] = {}
        self._alike: list[dict[int, float]] = [{} for _ in texts]
        self._stored: Mapping[int, tuple[str, str]] = {}
        if not texts:
            return
        keys = np.concatenate([new.keys for new in texts])
        self._count, self._sharing = index.sharing(connection, keys)
        together = BandIndex()
        together.add(keys)
        self._together = together.sharing(keys)
        if meanings:
            vectors = _stacked(texts)
            self._alike = meanings.nearest(connection, vectors)
            self._cosines = vectors @ vectors.T
        ids = {id_ for found in (*self._sharing, *self._alike) for id_ in found}
        self._stored = self._read(ids)

    def grade(self, new: NewText, offset: int = 0) -> Grade:
        """Score 1 minus the similarity to the nearest text; `offset` as for `novelty_grade`."""
        near = max(self._neighbours(new), key=lambda each: each.similarity, default=None)
        protected = near is not None and near is new.protected
        hidden = near is not None and not protected and not self._may_show(near)
        return novelty_grade(near, new.text, offset, new.copied, of_another=hidden)

    def add(self, seq: int, new: NewText) -> None:
        """Count this text as admitted."""
        self._added[new.place] = (seq, new)

    def save(self) -> None:
        """Write what was added; part of the admission's transaction."""
        if not self._added:
            return
        first = self._count + 1
        added = list(self._added.values())
        rows = [
            {"id": id_, "batch_id": self._batch_id, "seq": seq, "text": new.text}
            for id_, (seq, new) in enumerate(added, first)
        ]
        self._connection.execute(insert(novelty_texts), rows)
        keys = b"".join(new.keys.tobytes() for _, new in added)
        self._connection.execute(insert(novelty_sketches).values(first_id=first, fingerprints=keys))
        if self._meanings:
            vectors = _stacked([new for _, new in added])
            self._meanings.save(self._connection, first, vectors)

    def _may_show(self, near: Neighbour) -> bool:
        """Whether an admitted text belongs to who asks for this batch."""
        if self._tenant is None:
            return True
        batch_id = near.id.rpartition("/")[0]
        if batch_id not in self._own:
            owner = select(batches.c.tenant).where(batches.c.id == batch_id)
            found = self._connection.execute(owner).scalar_one_or_none()
            self._own[batch_id] = found == self._tenant
        return self._own[batch_id]

    def _neighbours(self, new: NewText) -> Iterator[Neighbour]:
        if new.protected is not None:
            yield new.protected
        near = [self._stored[id_] for id_ in self._sharing[new.place] if id_ in self._stored]
        near += [self._name(n) for n in self._together[new.place] if n in self._added]
        found = closest(new.text, near)
        if found is not None:
            yield found
        if self._meanings:
            for (name, text), cosine in self._meant(new):
                if same_numbers(new.text, text):
                    yield in_other_words(new.text, name, text, cosine, self._meanings.threshold)

    def _meant(self, new: NewText) -> Iterator[tuple[tuple[str, str], float]]:
        """(name, text) and cosine of those near in meaning, stored or just added."""
        for id_, cosine in self._alike[new.place].items():
            if id_ in self._stored:
                yield self._stored[id_], cosine
        for place in self._added:
            yield self._name(place), float(self._cosines[new.place, place])

    def _name(self, place: int) -> tuple[str, str]:
        seq, new = self._added[place]
        return f"{self._batch_id}/{seq}", new.text

    def _read(self, ids: set[int]) -> Mapping[int, tuple[str, str]]:
        """(name, text) of stored texts."""
        found: dict[int, tuple[str, str]] = {}
        ordered = sorted(ids)
        for start in range(0, len(ordered), TEXTS_PER_QUERY):
            part = ordered[start : start + TEXTS_PER_QUERY]
            for row in self._connection.execute(_TEXTS, {"ids": part}):
                found[row.id] = (f"{row.batch_id}/{row.seq}", row.text)
        return found


def bring_up_to_date(connection: Connection) -> None:
    """Index all texts anew when the keys are those of another version of the fingerprint."""
    if connection.execute(select(schema_version.c.novelty_index)).scalar_one() == INDEX_VERSION:
        return
    rebuild(connection)
    connection.execute(update(schema_version).values(novelty_index=INDEX_VERSION))


def rebuild(connection: Connection) -> None:
    """Write the keys of all texts anew, from the texts."""
    connection.execute(delete(novelty_sketches))
    count = last_id(connection)
    columns = novelty_texts.c.id, novelty_texts.c.text
    for first in range(1, count + 1, TEXTS_AT_ONCE):
        among = novelty_texts.c.id.between(first, min(first + TEXTS_AT_ONCE - 1, count))
        rows = connection.execute(select(*columns).where(among))
        texts = {row.id: row.text for row in rows}
        keys = np.zeros((min(TEXTS_AT_ONCE, count - first + 1), KEYS), np.uint32)
        if texts:
            keys[[id_ - first for id_ in texts]] = fingerprints(list(texts.values()))
        connection.execute(
            insert(novelty_sketches).values(first_id=first, fingerprints=keys.tobytes())
        )


def last_id(connection: Connection) -> int:
    """The id of the text admitted last; 0 when there is none."""
    return int(
        connection.execute(select(func.coalesce(func.max(novelty_texts.c.id), 0))).scalar_one()
    )


def _stacked(texts: Sequence[NewText]) -> Vectors:
    vectors = [new.vector for new in texts if new.vector is not None]
    if len(vectors) != len(texts):
        raise ValueError("every text needs its embedding where texts are compared by meaning")
    return np.stack(vectors)


def _require_version(connection: Connection) -> None:
    found = connection.execute(select(schema_version.c.novelty_index)).scalar_one()
    if found != INDEX_VERSION:
        raise StoreError(
            f"another Winnow has made the novelty index anew as {found}, this one knows "
            f"{INDEX_VERSION}: stop one of them; whichever starts next indexes all texts its way"
        )
