"""The novelty index in SQL: everything ever admitted to the database, looked up by its bands."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from graders.novelty import (
    INDEX_VERSION,
    Fingerprint,
    MemoryIndex,
    Neighbour,
    ProtectedTexts,
    closest,
    fingerprint,
    novelty_grade,
)
from graders.novelty.index import MOST_VERIFIED
from graders.types import Grade
from workers.store.schema import novelty_bands, novelty_texts, schema_version

KEYS_PER_QUERY = 2000

_SAME = select(novelty_texts.c.exact, novelty_texts.c.id).where(
    novelty_texts.c.exact.in_(bindparam("keys", type_=BigInteger, expanding=True))
)
_SHARING = select(novelty_bands.c.key, novelty_bands.c.text_id).where(
    novelty_bands.c.key.in_(bindparam("keys", type_=BigInteger, expanding=True))
)
_TEXTS = (
    select(novelty_texts.c.batch_id, novelty_texts.c.seq, novelty_texts.c.text)
    .where(novelty_texts.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(novelty_texts.c.id)
)


class NoveltyCheck:
    """Grades texts within one admission's transaction, and remembers those it is told to.

    A text is compared with what the database holds, with what was added here before it, and
    with the protected texts; the nearest of all makes the grade.
    """

    def __init__(
        self, connection: Connection, batch_id: str, protected: ProtectedTexts | None
    ) -> None:
        self._connection = connection
        self._batch_id = batch_id
        self._protected = protected
        self._same: dict[int, list[int]] = {}
        self._sharing: dict[int, list[int]] = {}
        self._added = MemoryIndex()
        self._added_keys: set[int] = set()
        self._new: list[tuple[int, str, Fingerprint]] = []

    def load(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Look up, all at once, which stored texts share a key with those about to be graded."""
        self._same = self._look_up(_SAME, {fp.exact for fp in fingerprints})
        self._sharing = self._look_up(_SHARING, {key for fp in fingerprints for key in fp.bands})

    def grade(self, text: str, fp: Fingerprint, offset: int = 0) -> Grade:
        """Score 1 minus the similarity to the nearest text; `offset` as for `novelty_grade`."""
        near = max(self._neighbours(text, fp), key=lambda each: each.similarity, default=None)
        return novelty_grade(near, text, offset)

    def add(self, seq: int, text: str, fp: Fingerprint) -> None:
        """Count this text as admitted."""
        self._added.add(f"{self._batch_id}/{seq}", text, fp)
        self._added_keys.update((fp.exact, *fp.bands))
        self._new.append((seq, text, fp))

    def save(self) -> None:
        """Write what was added; part of the admission's transaction."""
        if not self._new:
            return
        first = self._connection.execute(
            select(func.coalesce(func.max(novelty_texts.c.id), 0) + 1)
        ).scalar_one()
        texts = [
            {"id": id_, "batch_id": self._batch_id, "seq": seq, "exact": fp.exact, "text": text}
            for id_, (seq, text, fp) in enumerate(self._new, first)
        ]
        self._connection.execute(insert(novelty_texts), texts)
        _insert_bands(
            self._connection, [(id_, fp) for id_, (_, _, fp) in enumerate(self._new, first)]
        )

    def _neighbours(self, text: str, fp: Fingerprint) -> Iterator[Neighbour]:
        added = not self._added_keys.isdisjoint((fp.exact, *fp.bands))
        for near in (
            self._protected.nearest(text, fp) if self._protected else None,
            self._stored(text, fp),
            self._added.nearest(text, fp) if added else None,
        ):
            if near is not None:
                yield near

    def _stored(self, text: str, fp: Fingerprint) -> Neighbour | None:
        """The nearest in the database; verifies the 16 texts that share most bands."""
        ids = sorted(self._same.get(fp.exact, ()))[:1]
        if not ids:
            shared = Counter(id_ for key in fp.bands for id_ in self._sharing.get(key, ()))
            ids = [id_ for id_, _ in shared.most_common(MOST_VERIFIED)]
        if not ids:
            return None
        found = self._connection.execute(_TEXTS, {"ids": ids})
        return closest(text, ((f"{row.batch_id}/{row.seq}", row.text) for row in found))

    def _look_up(self, query: Select[int, int], keys: Iterable[int]) -> dict[int, list[int]]:
        """Ids of texts by key."""
        ids: dict[int, list[int]] = {}
        ordered = sorted(keys)
        for start in range(0, len(ordered), KEYS_PER_QUERY):
            part = ordered[start : start + KEYS_PER_QUERY]
            for key, id_ in self._connection.execute(query, {"keys": part}):
                ids.setdefault(key, []).append(id_)
        return ids


def bring_up_to_date(connection: Connection) -> None:
    """Index all texts anew when the bands are those of another version of the fingerprint."""
    found = connection.execute(select(schema_version.c.novelty_index)).scalar_one()
    if found == INDEX_VERSION:
        return
    connection.execute(delete(novelty_bands))
    rows = connection.execute(select(novelty_texts.c.id, novelty_texts.c.text)).all()
    for id_, text in rows:
        fp = fingerprint(text)
        one = novelty_texts.c.id == id_
        connection.execute(update(novelty_texts).where(one).values(exact=fp.exact))
        _insert_bands(connection, [(id_, fp)])
    connection.execute(update(schema_version).values(novelty_index=INDEX_VERSION))


def _insert_bands(connection: Connection, fingerprints: Sequence[tuple[int, Fingerprint]]) -> None:
    values = [{"key": key, "text_id": id_} for id_, fp in fingerprints for key in set(fp.bands)]
    if values:
        connection.execute(insert(novelty_bands), values)
