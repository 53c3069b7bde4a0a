"""Texts that must not be repeated, such as the items of a benchmark: near-duplicates of them,
passages copied out of them, and texts that say the same in other words.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graders.config import NoveltyConfig
from graders.novelty.band_index import BandIndex
from graders.novelty.embedding import Vectors, embedder_for
from graders.novelty.fingerprint import Fingerprint, Keys, fingerprints
from graders.novelty.index import Neighbour, closest
from graders.novelty.ngrams import ngrams
from graders.novelty.semantic import SEMANTIC_THRESHOLD, in_other_words
from graders.novelty.word_hashes import U64, hash_words

GRAM = 6
MIN_GRAM = 4
LONG_COPY = 50
VERBATIM_WORDS = 13
"""Words in a row that alone make a copy (Brown et al. 2020, appendix C)."""
_MOST_MEANT = 8


@dataclass(frozen=True, slots=True)
class ProtectedItem:
    """One text to protect; `vector` is its embedding, if there is one."""

    id: str
    text: str
    vector: Vectors | None = None


class ProtectedTexts:
    """Finds the protected text that a text repeats most; never changes.

    Similarity is the largest of four. That of near-duplicates. The share of word sequences (six
    words; all of a text of four or five) that were copied: of the shorter of both texts, and of
    50 sequences at most, so that a long text can't hide a copied passage. 1 for
    `verbatim_words` in a row (0: not counted). And, of texts with an embedding, what their
    cosine says: see `graders.novelty.semantic`.
    """

    def __init__(
        self,
        items: Iterable[str | ProtectedItem],
        *,
        verbatim_words: int = VERBATIM_WORDS,
        semantic_threshold: float = SEMANTIC_THRESHOLD,
    ) -> None:
        self._items = [
            ProtectedItem(f"protected:{n}", item) if isinstance(item, str) else item
            for n, item in enumerate(items)
        ]
        self._items = [item for item in self._items if item.text.strip()]
        self._verbatim, self._threshold = verbatim_words, semantic_threshold
        texts = [item.text for item in self._items]
        self._bands = BandIndex()
        self._bands.add(fingerprints(texts))
        self._grams = _copied_sequences(texts)
        self._long = _Sequences(texts, verbatim_words) if verbatim_words else None
        self._embedded = [n for n, item in enumerate(self._items) if item.vector is not None]
        self._vectors = _stacked([self._items[n].vector for n in self._embedded])

    def __len__(self) -> int:
        return len(self._items)

    @property
    def has_vectors(self) -> bool:
        """Whether any text can be compared by its meaning."""
        return bool(self._embedded)

    def nearest(
        self, text: str, fp: Fingerprint, vector: Vectors | None = None
    ) -> Neighbour | None:
        """The protected text nearest to this one, or None when nothing at all is shared."""
        vectors = None if vector is None else vector.reshape(1, -1)
        (near,) = self.nearest_of([text], fp.row(), vectors)
        return near

    def nearest_of(
        self, texts: Sequence[str], keys: Keys, vectors: Vectors | None = None
    ) -> list[Neighbour | None]:
        """`nearest` of many texts: their keys, and their embeddings if they have any."""
        sharing = self._bands.sharing(keys)
        hashed = hash_words(texts)
        nearest: list[Neighbour | None] = []
        for n, text in enumerate(texts):
            words = hashed.hashes[hashed.offsets[n] : hashed.offsets[n + 1]]
            found = [closest(text, ((self._items[i].id, self._items[i].text) for i in sharing[n]))]
            found += self._copied(words)
            if vectors is not None:
                found += self._meant(text, vectors[n])
            some = [each for each in found if each is not None]
            nearest.append(max(some, key=lambda each: each.similarity, default=None))
        return nearest

    def _copied(self, words: U64) -> Iterator[Neighbour]:
        if self._long:
            for item, _, _ in self._long.shared(words):
                yield self._neighbour(item, 1.0, f"{self._verbatim} words in a row from")
        for sequences in self._grams:
            for item, count, size in sequences.shared(words):
                share = min(1.0, count / min(size, sequences.sizes[item], LONG_COPY))
                yield self._neighbour(item, share)

    def _meant(self, text: str, vector: Vectors) -> Iterator[Neighbour]:
        if not self._embedded:
            return
        cosines = self._vectors @ vector
        for n in np.argsort(-cosines)[:_MOST_MEANT].tolist():
            item = self._items[self._embedded[n]]
            yield in_other_words(text, item.id, item.text, float(cosines[n]), self._threshold)

    def _neighbour(self, item: int, similarity: float, how: str = "") -> Neighbour:
        return Neighbour(self._items[item].id, similarity, self._items[item].text, how)


def protect_now(texts: Iterable[str], config: NoveltyConfig) -> ProtectedTexts:
    """Protect texts that are in no store; embedded only where `config.semantic` is true.

    Raises GraderConfigError when embeddings are demanded and not installed.
    """
    items = [ProtectedItem(f"protected:{n}", text) for n, text in enumerate(texts)]
    embedder = embedder_for(config.semantic) if config.semantic is True and items else None
    if embedder:
        vectors = embedder().embed([item.text for item in items])
        items = [replace(item, vector=vectors[n]) for n, item in enumerate(items)]
    return ProtectedTexts(
        items,
        verbatim_words=config.verbatim_words,
        semantic_threshold=config.semantic_threshold,
    )


class _Sequences:
    """All word sequences of one length in some texts, and which text each is from."""

    def __init__(
        self, texts: Sequence[str], length: int, rows: Sequence[int] | None = None
    ) -> None:
        self.length = length
        chosen = range(len(texts)) if rows is None else rows
        hashed = hash_words([texts[row] for row in chosen])
        parts = [
            np.unique(ngrams(hashed.hashes[hashed.offsets[n] : hashed.offsets[n + 1]], length))
            for n in range(len(chosen))
        ]
        grams = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        owners = np.repeat(np.array(chosen, np.int64), [len(part) for part in parts])
        order = np.argsort(grams, kind="stable")
        self._grams, self._owners = grams[order], owners[order]
        self.sizes = {row: len(part) for row, part in zip(chosen, parts, strict=True)}

    def shared(self, words: U64) -> Iterator[tuple[int, int, int]]:
        """(text, sequences that it shares, sequences in all that were asked about)."""
        asked = np.unique(ngrams(words, self.length))
        if not len(asked) or not len(self._grams):
            return
        first = np.searchsorted(self._grams, asked)
        last = np.searchsorted(self._grams, asked, side="right")
        hit = np.flatnonzero(last > first)
        if not len(hit):
            return
        owners = np.concatenate([self._owners[first[n] : last[n]] for n in hit])
        for item, count in zip(*np.unique(owners, return_counts=True), strict=True):
            yield int(item), int(count), len(asked)


def _copied_sequences(texts: Sequence[str]) -> list[_Sequences]:
    """Sequences of six words; of shorter texts, all their words."""
    counts = hash_words(texts).counts if texts else np.zeros(0, np.int64)
    lengths = np.where(counts >= MIN_GRAM, np.minimum(counts, GRAM), 0)
    return [
        _Sequences(texts, int(length), np.flatnonzero(lengths == length).tolist())
        for length in np.unique(lengths[lengths > 0])
    ]


def _stacked(vectors: Sequence[Vectors | None]) -> NDArray[np.float32]:
    some = [vector for vector in vectors if vector is not None]
    return np.stack(some).astype(np.float32) if some else np.zeros((0, 0), np.float32)
