"""Texts that must not be repeated: near-duplicates of them, and passages copied out of them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from graders.novelty.fingerprint import Fingerprint, fingerprint
from graders.novelty.index import MemoryIndex, Neighbour
from graders.novelty.shingles import words

GRAM = 6
MIN_GRAM = 4
LONG_COPY = 50


class ProtectedTexts:
    """Finds the protected text that a text repeats most.

    Similarity is the larger of two: that of near-duplicates, and the share of word sequences
    (six words; all of a text of four or five) that were copied. That share is of the shorter of
    both texts, and of 50 sequences at most, so that a long text can't hide a copied passage.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._index = MemoryIndex()
        self._texts: dict[str, str] = {}
        self._grams: dict[tuple[str, ...], list[str]] = {}
        self._sizes: dict[str, int] = {}
        self._lengths: set[int] = set()
        for number, text in enumerate(texts):
            self._add(f"protected:{number}", text)

    def nearest(self, text: str, fp: Fingerprint) -> Neighbour | None:
        """The protected text nearest to this one, or None when nothing at all is shared."""
        alike = self._index.nearest(text, fp)
        copied = self._most_copied(text)
        if copied and (alike is None or copied.similarity > alike.similarity):
            return copied
        return alike

    def _add(self, id_: str, text: str) -> None:
        if not text.strip():
            return
        self._texts[id_] = text
        self._index.add(id_, text, fingerprint(text))
        folded = words(text)
        if len(folded) < MIN_GRAM:
            return
        length = min(GRAM, len(folded))
        grams = set(_grams(folded, length))
        self._lengths.add(length)
        self._sizes[id_] = len(grams)
        for gram in grams:
            self._grams.setdefault(gram, []).append(id_)

    def _most_copied(self, text: str) -> Neighbour | None:
        folded = words(text)
        best: Neighbour | None = None
        for length in self._lengths:
            grams = set(_grams(folded, length))
            shared = Counter(id_ for gram in grams for id_ in self._grams.get(gram, ()))
            for id_, count in shared.items():
                share = min(1.0, count / min(len(grams), self._sizes[id_], LONG_COPY))
                if best is None or (share, best.id) > (best.similarity, id_):
                    best = Neighbour(id_, share, self._texts[id_])
        return best


def _grams(folded: list[str], length: int) -> Iterator[tuple[str, ...]]:
    return (tuple(folded[n : n + length]) for n in range(len(folded) - length + 1))
