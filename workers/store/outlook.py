"""What novelty compares a text with, put together: protected texts, admitted ones, its source.

All that needs no lock is done before the transaction of an admission.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from graders.config import NoveltyConfig
from graders.novelty import Neighbour, ProtectedTexts, copied_from_source, fingerprints
from graders.novelty.embedding import Embedder, Vectors, embedder_for
from graders.types import Candidate, Evidence
from workers.errors import StoreError
from workers.store import protected as protection
from workers.store.connection import Database
from workers.store.meanings import StoredMeanings
from workers.store.novelty import NewText, NoveltyCheck, StoredIndex
from workers.store.protected import Changes, StoredProtection, changes


class OutlookChangedError(Exception):
    """Texts were protected, or no longer, between preparing and admitting: prepare again."""


class Outlook:
    """One admission's view: `describe` its texts, then `check` them in its transaction."""

    def __init__(
        self,
        config: NoveltyConfig,
        index: StoredIndex,
        protected: Sequence[ProtectedTexts],
        known: Changes,
        embed: Callable[[Sequence[str]], Vectors] | None,
        meanings: StoredMeanings | None,
    ) -> None:
        self._config, self._index, self._meanings = config, index, meanings
        self._protected, self._known, self._embed = protected, known, embed

    def describe(self, passed: Sequence[tuple[Candidate, str]]) -> list[NewText]:
        """What can be said of each candidate and its text without a lock."""
        texts = [text for _, text in passed]
        if not texts:
            return []
        keys = fingerprints(texts)
        wanted = self._meanings or any(each.has_vectors for each in self._protected)
        vectors = self._embed(texts) if wanted and self._embed else None
        found = [each.nearest_of(texts, keys, vectors) for each in self._protected]
        return [
            NewText(
                place=n,
                text=text,
                keys=keys[n : n + 1],
                protected=_worst([near[n] for near in found]),
                copied=self._copied(candidate, text),
                vector=None if vectors is None else vectors[n],
            )
            for n, (candidate, text) in enumerate(passed)
        ]

    def check(
        self,
        connection: Connection,
        batch_id: str,
        texts: Sequence[NewText],
        tenant: str | None = None,
    ) -> NoveltyCheck:
        """The check within the transaction, for a tenant's batch. Raises OutlookChangedError."""
        if changes(connection) != self._known:
            raise OutlookChangedError
        return NoveltyCheck(connection, batch_id, texts, self._index, self._meanings, tenant)

    def _copied(self, candidate: Candidate, text: str) -> Evidence | None:
        limit, source = self._config.max_copied_words, candidate.source
        if limit is None or source is None:
            return None
        return copied_from_source(text, source, limit, candidate.text.find(text))


class NoveltyOfStore:
    """All that novelty keeps in memory for one database; safe to share among threads."""

    def __init__(
        self,
        url: str,
        database: Database,
        config: NoveltyConfig,
        embedder: Callable[[], Embedder] | None = None,
    ) -> None:
        """Without an `embedder`, MiniLM as `config` has it. Raises GraderConfigError."""
        self._config, self._database = config, database
        self.index = StoredIndex()
        self._embedder = embedder or embedder_for(config.semantic)
        self._stored = StoredProtection(
            lambda items: ProtectedTexts(
                items,
                verbatim_words=config.verbatim_words,
                semantic_threshold=config.semantic_threshold,
            )
        )
        self._meanings: StoredMeanings | None = None
        if config.semantic_admitted and self._embedder:
            file = _index_file(url)
            self._meanings = StoredMeanings(self._embedder, config.semantic_threshold, file)

    def outlook(self, more: Sequence[ProtectedTexts]) -> Outlook:
        """The view as of now; `more` are protected texts of one batch."""
        if self._meanings:
            self._meanings.fill_gaps(self._database)
        stored, known = self._database.read(
            lambda connection: self._stored.current(connection, self._version)
        )
        protected = [*([stored] if stored else []), *more]
        return Outlook(self._config, self.index, protected, known, self._embed, self._meanings)

    def protect(self, name: str, items: Sequence[tuple[str, str]]) -> None:
        """Write a protected set, with embeddings where they can be made."""
        embedder = self._embedder() if self._embedder else None
        vectors = embedder.embed([text for _, text in items]) if embedder else None
        now = time.time()
        self._database.write(
            lambda connection: protection.add(connection, name, items, embedder, vectors, now)
        )

    def close(self) -> None:
        """Keep what the next start can use."""
        if self._meanings:
            with suppress(StoreError):  # what is not kept is read again at the next start
                self._database.read(self._meanings.keep)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        assert self._embedder is not None
        return self._embedder().embed(texts)

    def _version(self) -> str | None:
        return self._embedder().version if self._embedder else None


def _worst(found: Sequence[Neighbour | None]) -> Neighbour | None:
    near = [each for each in found if each is not None]
    return max(near, key=lambda each: each.similarity, default=None)


def _index_file(url: str) -> Path | None:
    """Beside an SQLite file; another database has no place for it."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(f"{parsed.database}.vectors")
