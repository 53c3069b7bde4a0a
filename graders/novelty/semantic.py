"""What embeddings say about two texts, on the scale of novelty's other similarities. Pure.

There 0.6 is the limit at the default threshold; here that is where two texts mean the same.
"""

from collections import Counter
from typing import Final

import numpy as np

from graders.novelty.index import Neighbour
from graders.novelty.ngrams import containment
from graders.novelty.shingles import is_number, words
from graders.novelty.word_hashes import hash_words

SEMANTIC_THRESHOLD: Final = 0.8
LIMIT: Final = 0.6
LONG_WORDS: Final = 100
"""From here on a cosine says what a text is about, not what it says about it."""
REWRITE_WORDS: Final = 60
"""A shorter text shares most of its words with many others."""
REWRITE_COSINE: Final = 0.6
REWRITE_SHARE: Final = 0.6


def in_other_words(text: str, name: str, other: str, cosine: float, threshold: float) -> Neighbour:
    """How far a text says the same as another one, by the cosine of their embeddings.

    A text of less than 100 words is a paraphrase from `threshold` on. One of 60 or more is a
    rewrite when the cosine is at least 0.6 and the other has at least 0.6 of its different words.
    """
    own = hash_words([text]).hashes
    shared = containment(own, hash_words([other]).hashes)
    paraphrased = scaled(cosine, threshold) if len(own) < LONG_WORDS else 0.0
    rewritten = 0.0
    if len(own) >= REWRITE_WORDS:
        rewritten = min(scaled(cosine, REWRITE_COSINE), scaled(shared, REWRITE_SHARE))
    how = f"cosine {cosine:.2f}, {shared:.0%} of the words shared with"
    return Neighbour(name, max(paraphrased, rewritten), other, how)


def scaled(value: float, threshold: float) -> float:
    """In [0, 1]: up to 0.6 below the threshold, over 0.6 from it on, 1 at 1."""
    if value < threshold:
        return max(0.0, value) / threshold * LIMIT
    share = (value - threshold) / max(1e-9, 1 - threshold)
    return min(1.0, float(np.nextafter(LIMIT, 1)) + share * (1 - LIMIT))


def same_numbers(a: str, b: str) -> bool:
    """Whether at least half of the numbers of two texts are the same, or neither has any.

    Two word problems from one mould are near in meaning, and yet are two problems.
    """
    first, second = _numbers(a), _numbers(b)
    union = (first | second).total()
    return union == 0 or (first & second).total() / union >= 0.5


def _numbers(text: str) -> Counter[str]:
    return Counter(word for word in words(text) if is_number(word))
