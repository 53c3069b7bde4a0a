"""Where admitted texts are looked up: the contract of an index, and one that lives in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from graders.novelty.band_index import BandIndex
from graders.novelty.fingerprint import Fingerprint
from graders.novelty.shingles import MIN_WORDS, jaccard, normalise, shingles, words


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The text nearest to another, and how alike they are, in [0, 1].

    `how` says in which respect, where it is not plain likeness of words.
    """

    id: str
    similarity: float
    text: str
    how: str = ""


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
    near = list(others)
    if not near:
        return None
    mine, folded = words(text), normalise(text)
    features = shingles(mine) if len(mine) >= MIN_WORDS else set()
    best: Neighbour | None = None
    for id_, other in near:
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
        self._bands = BandIndex()
        self._ids: dict[str, int] = {}
        self._texts: list[tuple[str, str]] = []

    def nearest(self, text: str, fp: Fingerprint) -> Neighbour | None:
        """See NoveltyIndex. Verifies the 16 texts that share most keys."""
        (sharing,) = self._bands.sharing(fp.row())
        return closest(text, (self._texts[number] for number in sharing))

    def add(self, id: str, text: str, fp: Fingerprint) -> None:
        """See NoveltyIndex. An id that is there already is left as it is."""
        if id in self._ids:
            return
        self._ids[id] = len(self._texts)
        self._texts.append((id, text))
        self._bands.add(fp.row())
