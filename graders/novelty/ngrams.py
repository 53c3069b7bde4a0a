"""Sequences of n words, hashed: what is copied word for word, however long the text around it."""

import numpy as np

from graders.novelty.word_hashes import U64, mix, weights


def ngrams(words: U64, n: int) -> U64:
    """Hashes of all sequences of n neighbouring words, in their order; none of fewer words."""
    count = len(words) - n + 1
    if n < 1 or count < 1:
        return np.zeros(0, np.uint64)
    up, down = weights(len(words))
    sums = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words * up, out=sums[1:])
    return mix((sums[n:] - sums[:-n]) * down[:count] ^ np.uint64(n))


def share_run(words: U64, other: U64, n: int) -> bool:
    """Whether n words in a row of one stand in the other, too."""
    own, theirs = ngrams(words, n), np.sort(ngrams(other, n))
    if not len(theirs):
        return False
    places = np.minimum(np.searchsorted(theirs, own), len(theirs) - 1)
    return bool((theirs[places] == own).any())


def longest_shared(words: U64, other: U64) -> tuple[int, int]:
    """Where in `words` the longest run begins that `other` has too, and its length in words.

    (0, 0) when they share no word. Time grows as n log n: a run of n words contains one of every
    smaller length, so its length is found by bisection over sets of n-grams.
    """
    start, low, high = 0, 0, min(len(words), len(other))
    while low < high:
        length = (low + high + 1) // 2
        at = np.flatnonzero(np.isin(ngrams(words, length), ngrams(other, length)))
        if len(at):
            start, low = int(at[0]), length
        else:
            high = length - 1
    return start, low


def containment(words: U64, other: U64) -> float:
    """The share of a text's different words that the other has too, in [0, 1]."""
    own = np.unique(words)
    return float(np.isin(own, other).mean()) if len(own) else 0.0
