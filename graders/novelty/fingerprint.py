"""A text's fingerprint: the keys under which an index finds its duplicates without reading all.

The same in every process and on every machine for one INDEX_VERSION; an index keeps that name
and must not mix two of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from graders.novelty.shingles import MIN_WORDS, NUMBER_WEIGHT
from graders.novelty.word_hashes import U64, HashedTexts, fold, hash_words, mix

BANDS = 24
ROWS = 4
SEED = 1
KEYS = BANDS + 1
"""Keys of a text: one for each band, then one for the whole text."""
Keys: TypeAlias = NDArray[np.uint32]
INDEX_VERSION = (
    f"hashed-pairs-n{NUMBER_WEIGHT}-min{MIN_WORDS}"
    f"-rensa{RMinHash.ALGORITHM_VERSION}-s{SEED}-{BANDS}x{ROWS}"
)
_PAIR, _NUMBER, _BAND = (np.uint64(n) for n in (0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77))
_TEXTS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`keys`: 25 little-endian unsigned 32-bit numbers, of which 0 means none.

    Two texts that share any of the first 24 may be near-duplicates; a text too short for that
    has none of them. Two that share the last may be equal but for case, punctuation and space.
    """

    keys: bytes

    def row(self) -> Keys:
        """The keys as an array of shape (1, 25)."""
        return keys_from_bytes(self.keys)


def keys_from_bytes(data: bytes) -> Keys:
    """Read the keys of one or more texts, written one after another; shape (texts, 25)."""
    return np.frombuffer(data, "<u4").reshape(-1, KEYS)


def fingerprint(text: str) -> Fingerprint:
    """The fingerprint of one text; `fingerprints` is quicker for many."""
    return Fingerprint(fingerprints([text])[0].tobytes())


def fingerprints(texts: Sequence[str]) -> Keys:
    """The keys of each text's fingerprint, shape (texts, 25).

    MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4).
    24 bands of 4 rows find a pair with Jaccard index .8 with probability .999999, .7 with .9986,
    .6 with .964.
    """
    parts = [
        keys_of(hash_words(part), part)
        for start in range(0, len(texts), _TEXTS_AT_ONCE)
        for part in [texts[start : start + _TEXTS_AT_ONCE]]
    ]
    return np.concatenate(parts) if parts else np.zeros((0, KEYS), np.uint32)


def keys_of(hashed: HashedTexts, texts: Sequence[str]) -> Keys:
    """`fingerprints` of texts whose words are hashed already."""
    keys = np.zeros((len(texts), KEYS), np.uint32)
    long_enough = np.flatnonzero(hashed.counts >= MIN_WORDS)
    if len(long_enough):
        features, offsets = features_of(hashed)
        sketch = RMinHash.digest_matrix_from_flat_token_hashes
        minima = chain.from_iterable(sketch(features, offsets, BANDS * ROWS, SEED).to_rows())
        digests = np.fromiter(minima, np.uint32, len(texts) * BANDS * ROWS)
        keys[:, :BANDS] = _band_keys(digests.reshape(len(texts), BANDS, ROWS))
        keys[hashed.counts < MIN_WORDS, :BANDS] = 0
    keys[:, BANDS] = _whole(hashed, texts)
    return keys


def features_of(hashed: HashedTexts) -> tuple[U64, U64]:
    """What `shingles.shingles` makes of each text, hashed; and where each text's begin."""
    rows = hashed.rows
    together = rows[1:] == rows[:-1]
    pairs = mix(hashed.hashes[:-1] * _PAIR + hashed.hashes[1:])[together]
    numbers, owners = _weighted_numbers(hashed.hashes[hashed.numbers], rows[hashed.numbers])
    of_row = np.concatenate((rows[1:][together], owners))
    counts = np.bincount(of_row, minlength=len(hashed.counts))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.uint64)
    features = np.concatenate((pairs, numbers))
    return features[np.argsort(of_row, kind="stable")], offsets


def _weighted_numbers(numbers: U64, rows: NDArray[np.int64]) -> tuple[U64, NDArray[np.int64]]:
    """NUMBER_WEIGHT features for each time a number occurs in a text, all different."""
    order = np.lexsort((numbers, rows))
    numbers, rows = numbers[order], rows[order]
    another = np.ones(len(numbers), np.bool_)
    another[1:] = (numbers[1:] != numbers[:-1]) | (rows[1:] != rows[:-1])
    place = np.arange(len(numbers))
    first = np.maximum.accumulate(np.where(another, place, 0))
    copies = (place - first)[:, None] * NUMBER_WEIGHT + np.arange(1, NUMBER_WEIGHT + 1)
    weighted = mix(numbers[:, None] ^ (copies.astype(np.uint64) * _NUMBER))
    return weighted.ravel(), np.repeat(rows, NUMBER_WEIGHT)


def _band_keys(digests: NDArray[np.uint32]) -> Keys:
    """Each band's four minima as one number, never 0; digests of shape (texts, 24, 4)."""
    wide = digests.astype(np.uint64)
    key = np.zeros(wide.shape[:2], np.uint64)
    for row in range(ROWS):
        key = (key ^ wide[:, :, row]) * _BAND
        key ^= key >> np.uint64(29)
    return _never_zero(key)


def _whole(hashed: HashedTexts, texts: Sequence[str]) -> Keys:
    """A key of all words in order; of the text itself where it has none."""
    whole = np.zeros(len(texts), np.uint64)
    filled = hashed.counts > 0
    if filled.any():
        whole[filled] = fold(hashed.hashes, hashed.offsets[:-1][filled])
    for row in np.flatnonzero(~filled).tolist():
        raw = " ".join(texts[row].split()).encode("utf-8", "surrogatepass") or b"\0"
        data = np.frombuffer(raw, np.uint8).astype(np.uint64)
        whole[row] = fold(mix(data), np.zeros(1, np.int64))[0]
    return _never_zero(whole)


def _never_zero(hashes: U64) -> Keys:
    keys: Keys = np.maximum(hashes >> np.uint64(32), np.uint64(1)).astype(np.uint32)
    return keys
