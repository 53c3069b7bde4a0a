"""Which earlier texts share a key with this one: a hash table over the keys of fingerprints.

Flat arrays, so that ten million texts fit in memory: 200 bytes a text, and 50 to 200 for the
table. A text's number is the count of texts added before it.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from graders.novelty.fingerprint import KEYS, Keys

MOST_SHARING = 16
"""Texts given for each one looked up: those that share most keys."""
MOST_OF_A_KEY = 1024
"""Texts with one and the same key that are looked at, the newest first."""
Number = TypeVar("Number", np.uint32, np.int32)
_NONE = np.int32(-1)
_SMALLEST = 1024
_TEXTS_AT_ONCE = 8192


class BandIndex:
    """Finds the texts that share keys; not for several threads at once.

    Texts of one key and table cell are chained, the newest first. The table has as many cells
    for each of the 25 keys as there are texts, give or take a factor of two.
    """

    def __init__(self) -> None:
        self._count = 0
        self._keys: NDArray[np.uint32] = np.zeros((_SMALLEST, KEYS), np.uint32)
        self._next: NDArray[np.int32] = np.full((_SMALLEST, KEYS), _NONE, np.int32)
        self._heads = _empty_table(_SMALLEST)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory that the texts so far take up."""
        per_text = KEYS * (self._keys.itemsize + self._next.itemsize)
        return self._count * per_text + self._heads.nbytes

    def add(self, keys: Keys) -> None:
        """Add texts in order; `keys` of shape (texts, 25)."""
        first, last = self._count, self._count + len(keys)
        self.reserve(last)
        self._keys[first:last] = keys
        for start in range(first, last, _TEXTS_AT_ONCE):
            self._link(start, min(start + _TEXTS_AT_ONCE, last))
        self._count = last

    def reserve(self, count: int) -> None:
        """Make room for so many texts in all, at once instead of step by step."""
        if count > len(self._keys):
            size = max(count, len(self._keys) * 3 // 2)
            self._keys = _grown(self._keys, size)
            self._next = _grown(self._next, size)
        if count > 2 * self._heads.shape[1]:
            self._heads = _empty_table(1 << (count - 1).bit_length())
            for start in range(0, self._count, _TEXTS_AT_ONCE):
                self._link(start, min(start + _TEXTS_AT_ONCE, self._count))

    def sharing(self, keys: Keys) -> list[list[int]]:
        """For each row of keys the texts that share most of them, at most 16, the most first."""
        found: list[list[int]] = [[] for _ in range(len(keys))]
        asked, texts = self._hits(keys)
        if not len(asked):
            return found
        pairs, shared = np.unique((asked << np.int64(32)) | texts, return_counts=True)
        order = np.lexsort((pairs, -shared, pairs >> np.int64(32)))
        for pair in pairs[order].tolist():
            one = found[pair >> 32]
            if len(one) < MOST_SHARING:
                one.append(pair & 0xFFFFFFFF)
        return found

    def _hits(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every (row asked about, text) that share a key, once for each key they share."""
        rows, bands = np.nonzero(keys)
        wanted = keys[rows, bands]
        at = self._heads[bands, wanted & self._mask]
        asked: list[NDArray[np.int64]] = []
        texts: list[NDArray[np.int64]] = []
        for _ in range(MOST_OF_A_KEY):
            alive = np.flatnonzero(at >= 0)
            if not len(alive):
                break
            rows, bands, wanted, at = rows[alive], bands[alive], wanted[alive], at[alive]
            same = self._keys[at, bands] == wanted
            asked.append(rows[same])
            texts.append(at[same].astype(np.int64))
            at = self._next[at, bands]
        if not asked:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(asked), np.concatenate(texts)

    def _link(self, first: int, last: int) -> None:
        """Put texts `first` to `last` at the head of their chains."""
        keys = self._keys[first:last]
        rows, bands = np.nonzero(keys)
        cells = bands * self._heads.shape[1] + (keys[rows, bands] & self._mask)
        order = np.argsort(cells, kind="stable")
        cells, rows, bands = cells[order], rows[order] + first, bands[order]
        follows = np.zeros(len(cells), np.bool_)
        follows[1:] = cells[1:] == cells[:-1]
        heads = self._heads.reshape(-1)
        before = heads[cells]
        before[follows] = rows[:-1][follows[1:]]
        self._next[rows, bands] = before
        ends = np.ones(len(cells), np.bool_)
        ends[:-1] = ~follows[1:]
        heads[cells[ends]] = rows[ends]

    @property
    def _mask(self) -> np.uint32:
        return np.uint32(self._heads.shape[1] - 1)


def _empty_table(cells: int) -> NDArray[np.int32]:
    return np.full((KEYS, cells), _NONE, np.int32)


def _grown(array: NDArray[Number], rows: int) -> NDArray[Number]:
    larger = np.empty((rows, array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger
