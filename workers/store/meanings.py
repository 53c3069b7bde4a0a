"""Embeddings of admitted texts: kept in the database, searched in a usearch index beside it.

The database is the truth. The index file only saves time at the next start: one that is damaged,
from another version or ahead of its database is made anew.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, insert, select

from graders.novelty.embedding import DIMENSIONS, Embedder, Vectors
from graders.novelty.semantic import REWRITE_COSINE
from graders.ort import import_onnxruntime
from workers.store.connection import Database
from workers.store.schema import novelty_texts, novelty_vectors, schema_version

FORMAT = "usearch-f16-cos-1"
NEIGHBOURS = 8
SAVE_EVERY = 50_000
BACKFILL = 256
_BYTES = 2 * DIMENSIONS

log = logging.getLogger(__name__)


class StoredMeanings:
    """This process's index of the embeddings in one database; safe to share among threads.

    `threshold` is the cosine from which two short texts are paraphrases; `file` is where the
    index is kept between runs, None for nowhere.
    """

    def __init__(
        self, embedder: Callable[[], Embedder], threshold: float, file: Path | None
    ) -> None:
        self.threshold = threshold
        self._embedder = embedder
        self._file = file
        self._lock = threading.Lock()
        self._index: Any = None
        self._last_row = self._saved = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts, shape (texts, 384)."""
        return self._embedder().embed(texts)

    def fill_gaps(self, database: Database) -> None:
        """Embed texts that were admitted while this check was off. Call it outside admissions."""
        while texts := database.read(self._without_vector):
            log.info("embedding %d texts admitted without it", len(texts))
            ids = sorted(texts)
            vectors = self.embed([texts[id_] for id_ in ids])

            def write(
                connection: Connection, ids: list[int] = ids, vectors: Vectors = vectors
            ) -> None:
                connection.execute(select(schema_version).with_for_update()).all()
                missing = self._without_vector(connection)  # another process fills gaps, too
                for id_, vector in zip(ids, vectors, strict=True):
                    if id_ in missing:
                        self.save(connection, id_, vector[None])

            database.write(write)

    def nearest(self, connection: Connection, vectors: Vectors) -> list[dict[int, float]]:
        """Ids of the stored texts near each vector, and their cosines.

        Call it under the lock of an admission, before anything is written.
        """
        with self._lock:
            self._catch_up(connection)
            if not len(self._index):
                return [{} for _ in vectors]
            found = self._index.search(vectors, min(NEIGHBOURS, len(self._index)))
        ids = np.atleast_2d(found.keys)
        cosines = 1.0 - np.atleast_2d(found.distances)
        return [
            {int(id_): float(cosine) for id_, cosine in zip(*row, strict=True) if cosine >= limit}
            for limit in [min(self.threshold, REWRITE_COSINE)]
            for row in zip(ids, cosines, strict=True)
        ]

    def save(self, connection: Connection, first_id: int, vectors: Vectors) -> None:
        """Write the vectors of texts from `first_id` on; part of a write transaction."""
        latest = select(func.coalesce(func.max(novelty_vectors.c.id), 0))
        connection.execute(
            insert(novelty_vectors).values(
                id=connection.execute(latest).scalar_one() + 1,
                first_id=first_id,
                texts=len(vectors),
                embedder=self._embedder().version,
                vectors=vectors.astype("<f2").tobytes(),
            )
        )

    def keep(self, connection: Connection) -> None:
        """Keep the index for the next start, if it was used and there is a place for it."""
        with self._lock:
            if self._index is not None and self._file is not None:
                self._catch_up(connection)
                if self._last_row > self._saved:
                    self._write_file()

    def _without_vector(self, connection: Connection) -> dict[int, str]:
        """The first texts that have no vector of this embedder."""
        table, text = novelty_vectors.c, novelty_texts.c
        ours = table.embedder == self._embedder().version
        have = connection.execute(select(func.coalesce(func.sum(table.texts), 0)).where(ours))
        count = connection.execute(select(func.count()).select_from(novelty_texts)).scalar_one()
        if have.scalar_one() >= count:
            return {}
        covered = (
            select(table.id)
            .where(ours, table.first_id <= text.id, table.first_id + table.texts > text.id)
            .exists()
        )
        query = select(text.id, text.text).where(~covered).order_by(text.id).limit(BACKFILL)
        return {row.id: row.text for row in connection.execute(query)}

    def _catch_up(self, connection: Connection) -> None:
        latest = connection.execute(
            select(func.coalesce(func.max(novelty_vectors.c.id), 0))
        ).scalar_one()
        if self._index is None:
            self._index, self._last_row = self._read_file()
            self._saved = self._last_row
        if latest < self._last_row:
            self._index, self._last_row, self._saved = _new_index(), 0, 0
        for row in self._rows_after(connection, self._last_row):
            vectors = np.frombuffer(row.vectors, "<f2").reshape(-1, DIMENSIONS)
            ids = np.arange(row.first_id, row.first_id + len(vectors), dtype=np.uint64)
            fresh = np.array([id_ not in self._index for id_ in ids.tolist()], np.bool_)
            if fresh.any():
                self._index.add(ids[fresh], vectors[fresh])
        self._last_row = latest
        if self._last_row - self._saved >= SAVE_EVERY:
            self._write_file()

    def _rows_after(self, connection: Connection, last: int) -> Iterator[Row[Any, Any]]:
        table = novelty_vectors.c
        query = select(table.first_id, table.vectors).where(
            table.id > last, table.embedder == self._embedder().version
        )
        for row in connection.execute(query.order_by(table.id)):
            if len(row.vectors) % _BYTES:
                log.warning("the embeddings from text %d on are damaged; left out", row.first_id)
                continue
            yield row

    def _read_file(self) -> tuple[Any, int]:
        """The kept index and the last row in it; an empty one when it can't be used."""
        if self._file is None or not self._file.exists():
            return _new_index(), 0
        try:
            about = json.loads(self._about.read_text())
            expected = {"format": FORMAT, "embedder": self._embedder().version}
            if {key: about.get(key) for key in expected} != expected:
                raise ValueError(f"it is of {about.get('format')}, {about.get('embedder')}")
            data = self._file.read_bytes()
            if blake2b(data).hexdigest() != about["digest"]:
                raise ValueError("it is damaged")
            index = _new_index()
            index.load(data)
            return index, int(about["last_row"])
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as exc:
            log.warning("the vector index %s is made anew from the database: %s", self._file, exc)
            return _new_index(), 0

    def _write_file(self) -> None:
        self._saved = self._last_row
        if self._file is None:
            return
        data = bytes(self._index.save())
        about = {
            "format": FORMAT,
            "embedder": self._embedder().version,
            "last_row": self._last_row,
            "digest": blake2b(data).hexdigest(),
        }
        try:
            for path, content in ((self._file, data), (self._about, json.dumps(about).encode())):
                scratch = path.with_name(path.name + ".new")
                scratch.write_bytes(content)
                scratch.replace(path)
        except OSError as exc:
            log.warning("the vector index can't be kept in %s: %s", self._file, exc.strerror)

    @property
    def _about(self) -> Path:
        assert self._file is not None
        return self._file.with_name(self._file.name + ".json")


def _new_index() -> Any:
    import_onnxruntime()
    from usearch.index import Index

    return Index(ndim=DIMENSIONS, metric="cos", dtype="f16")
