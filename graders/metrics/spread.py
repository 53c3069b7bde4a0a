"""Diversity of meaning: how far apart the embeddings of a corpus lie.

Without embeddings, hashed counts of words and word pairs stand in: then it is wording again.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from graders.metrics.inputs import Floats
from graders.metrics.overlap import check_texts, words_of

DIMENSIONS: Final = 2048


def unit_rows(embeddings: ArrayLike) -> Floats:
    """Embeddings of shape (n, d) with rows scaled to length 1.

    Raises ValueError for another shape, a value that isn't finite and a row of zeros.
    """
    given = np.asarray(embeddings, dtype=np.float64)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"embeddings must be of shape (texts, dimensions), not {given.shape}")
    if not np.isfinite(given).all():
        raise ValueError("embeddings must be finite: one holds NaN or infinity")
    length = np.linalg.norm(given, axis=1, keepdims=True)
    if not length.all():
        raise ValueError(f"embedding {int(np.argmin(length))} is all zeros: leave its text out")
    return np.asarray(given / length)


def hashed_embeddings(texts: Sequence[str], dimensions: int = DIMENSIONS) -> Floats:
    """Counts of words and word pairs, hashed to `dimensions` places, in rows of length 1.

    Feature hashing without signs, so that no cosine is negative (Weinberger et al. 2009). Raises
    ValueError for a text without words.
    """
    check_texts(texts)
    rows = np.zeros((len(texts), dimensions))
    for row, text in zip(rows, texts, strict=True):
        words = words_of(text)
        features = Counter([*words, *(" ".join(pair) for pair in pairwise(words))])
        for feature, times in features.items():
            row[crc32(feature.encode()) % dimensions] += times
    return unit_rows(rows)


def dispersion(embeddings: ArrayLike) -> float:
    """Mean cosine distance over all pairs of texts, in [0, 2]; in time linear in the texts.

    Raises ValueError as `unit_rows` does, and for one text.
    """
    rows = unit_rows(embeddings)
    count = len(rows)
    if count < 2:
        raise ValueError("dispersion needs at least 2 texts")
    total = rows.sum(axis=0)
    cosine = (float(total @ total) - count) / (count * (count - 1))
    return 1.0 - cosine


def vendi_score(embeddings: ArrayLike) -> float:
    """The effective number of different texts, from 1 to n (Friedman & Dieng 2023, section 3).

    The exponential of the entropy of the eigenvalues of K / n, K the cosine kernel; those of the
    smaller of K and the covariance are taken, which are the same but for zeros. Raises ValueError
    as `unit_rows` does.
    """
    rows = unit_rows(embeddings)
    count, dimensions = rows.shape
    kernel = rows.T @ rows if dimensions < count else rows @ rows.T
    shares = np.linalg.eigvalsh(kernel / count)
    shares = shares[shares > 1e-12]
    return float(np.exp(-np.sum(shares * np.log(shares))))
