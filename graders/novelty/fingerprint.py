"""A text's fingerprint: the keys under which an index finds its duplicates without reading all.

The same in every process and on every machine for one INDEX_VERSION; an index keeps that name
and must not mix two of them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from rensa import RMinHash

from graders.novelty.shingles import MIN_WORDS, NUMBER_WEIGHT, normalise, shingles, words

BANDS = 32
ROWS = 4
SEED = 1
_FEATURES = f"pairs-n{NUMBER_WEIGHT}-min{MIN_WORDS}"
INDEX_VERSION = f"{_FEATURES}-rensa{RMinHash.ALGORITHM_VERSION}-s{SEED}-{BANDS}x{ROWS}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`exact` and `bands` are signed 64-bit keys; `signature` is the MinHash, little-endian u32.

    Two texts share `exact` when they are equal but for case, punctuation and white space. Two
    that share any of `bands` may be near-duplicates. A text too short for that has no bands.
    """

    exact: int
    bands: tuple[int, ...]
    signature: bytes


def fingerprint(text: str) -> Fingerprint:
    """MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4).

    32 bands of 4 rows find a pair with Jaccard index .7 with probability .9998, .6 with .988.
    """
    exact = _key(normalise(text).encode("utf-8", "surrogatepass"))
    folded = words(text)
    if len(folded) < MIN_WORDS:
        return Fingerprint(exact, (), b"")
    minhash = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
    minhash.update(sorted(shingles(folded)))
    signature = _pack(minhash.digest())
    width = 4 * ROWS
    bands = tuple(
        _key(bytes([band]) + signature[band * width : (band + 1) * width]) for band in range(BANDS)
    )
    return Fingerprint(exact, bands, signature)


def _pack(digest: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(digest)}I", *digest)


def _key(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little", signed=True)
