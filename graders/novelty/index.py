"""Where admitted texts are looked up: the contract of an index, and one that lives in memory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from graders.novelty.fingerprint import Fingerprint
from graders.novelty.shingles import MIN_WORDS, jaccard, normalise, shingles, words

MOST_VERIFIED = 16


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The text nearest to another, and how alike they are, in [0, 1]."""

    id: str
    similarity: float
    text: str


class NoveltyIndex(Protocol):
    """Everything admitted so far.

    `nearest` gives the most similar text among those that share a key of the fingerprint, its
    similarity computed from the texts, not estimated; None when no key is shared.
    Both raise IndexUnavailableError when the index can't serve.
    """

    def nearest(self, text: str, fp: Fingerprint) -> Neighbour | None: ...

    def add(self, id: str, text: str, fp: Fingerprint) -> None: ...


def closest(text: str, others: Iterable[tuple[str, str]]) -> Neighbour | None:
    """The most similar of the given (id, text), verified; of equals, the first."""
    mine, folded = words(text), normalise(text)
    features = shingles(mine) if len(mine) >= MIN_WORDS else set()
    best: Neighbour | None = None
    for id_, other in others:
        theirs = words(other)
        if normalise(other) == folded:
            alike = 1.0
        elif features and len(theirs) >= MIN_WORDS:
            alike = jaccard(features, shingles(theirs))
        else:
            alike = 0.0
        if best is None or alike > best.similarity:
            best = Neighbour(id_, alike, other)
    return best


class MemoryIndex:
    """A NoveltyIndex without a store: for grading files, for protected texts, for tests."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._exact: dict[int, str] = {}
        self._bands: dict[int, list[str]] = {}

    def nearest(self, text: str, fp: Fingerprint) -> Neighbour | None:
        """See NoveltyIndex. Verifies the 16 texts that share most bands."""
        same = self._exact.get(fp.exact)
        if same is not None:
            return Neighbour(same, 1.0, self._texts[same])
        shared: Counter[str] = Counter()
        for key in fp.bands:
            shared.update(self._bands.get(key, ()))
        ranked = [id_ for id_, _ in shared.most_common(MOST_VERIFIED)]
        return closest(text, ((id_, self._texts[id_]) for id_ in ranked))

    def add(self, id: str, text: str, fp: Fingerprint) -> None:
        """See NoveltyIndex. An id that is there already is left as it is."""
        if id in self._texts:
            return
        self._texts[id] = text
        self._exact.setdefault(fp.exact, id)
        for key in fp.bands:
            self._bands.setdefault(key, []).append(id)
