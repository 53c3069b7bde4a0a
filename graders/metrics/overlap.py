"""Diversity of wording: distinct n-grams, self-BLEU and the compression ratio of a corpus.

Words are runs of letters and digits in lower case.
"""

import gzip
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np

_WORD: Final = re.compile(r"\w+")
_SMOOTHING: Final = 0.1
"""Stands for a match where there is none: smoothing 1 of Chen & Cherry (2014), section 3. Not for
single words: a text that shares no word with any other scores 0."""

Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """The words of a text in lower case."""
    return tuple(_WORD.findall(text.lower()))


def check_texts(texts: Sequence[str], least: int = 1) -> None:
    """Raises ValueError for fewer than `least` texts and for one without words."""
    if len(texts) < least:
        raise ValueError(f"diversity needs at least {least} texts, not {len(texts)}")
    for place, text in enumerate(texts):
        if not _WORD.search(text):
            raise ValueError(f"text {place} has no words: leave it out")


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Share of the corpus's n-grams that are distinct (after Li et al. 2016).

    NaN when no text has n words. Raises ValueError as `check_texts` does.
    """
    check_texts(texts)
    grams = Counter(chain.from_iterable(_grams(words_of(text), n) for text in texts))
    return len(grams) / grams.total() if grams else math.nan


def self_bleu(texts: Sequence[str], n: int = 4, sample: int = 1000, seed: int = 0) -> float:
    """Mean BLEU-n of each text against all the others (Zhu et al. 2018); 1 is worst.

    Over `sample` texts drawn without replacement, or all if there are fewer. Exact on those, in
    time linear in their n-grams. Raises ValueError as `check_texts` does, and for one text.
    """
    check_texts(texts, least=2)
    if sample < 2:
        raise ValueError(f"self-BLEU needs a sample of at least 2 texts, not {sample}")
    if len(texts) > sample:
        drawn = np.random.default_rng(seed).choice(len(texts), sample, replace=False)
        texts = [texts[place] for place in sorted(drawn)]
    corpus = [words_of(text) for text in texts]
    precision = np.zeros(len(corpus))
    for order in range(1, n + 1):
        with np.errstate(divide="ignore"):
            precision += np.log(_clipped_precisions(corpus, order)) / n
    return float(np.mean(np.exp(precision) * _brevity_penalties(corpus)))


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of the joined texts over their bytes under gzip -9 (Shaib et al. 2024).

    Higher means more repetition; gzip sees repeats up to 32 KiB apart. Raises ValueError as
    `check_texts` does.
    """
    check_texts(texts)
    raw = "\n".join(texts).encode()
    return len(raw) / len(gzip.compress(raw, compresslevel=9, mtime=0))


def _grams(words: Words, n: int) -> list[Words]:
    return [words[at : at + n] for at in range(len(words) - n + 1)]


@dataclass(slots=True)
class _Most:
    """How often one n-gram occurs in the text that has most of it, and in the runner-up."""

    owner: int
    first: int
    second: int = 0

    def without(self, text: int) -> int:
        return self.second if self.owner == text else self.first


def _clipped_precisions(corpus: Sequence[Words], n: int) -> list[float]:
    """Modified n-gram precision (Papineni et al. 2002, section 2.1) of each against the rest."""
    counts = [Counter(_grams(words, n)) for words in corpus]
    most: dict[Words, _Most] = {}
    for text, count in enumerate(counts):
        for gram, times in count.items():
            _note(most, gram, text, times)
    found = []
    for text, count in enumerate(counts):
        matched = sum(min(times, most[gram].without(text)) for gram, times in count.items())
        found.append((matched or (_SMOOTHING if n > 1 else 0)) / max(1, count.total()))
    return found


def _note(most: dict[Words, _Most], gram: Words, text: int, times: int) -> None:
    best = most.get(gram)
    if best is None:
        most[gram] = _Most(text, times)
    elif times > best.first:
        best.owner, best.first, best.second = text, times, best.first
    else:
        best.second = max(best.second, times)


def _brevity_penalties(corpus: Sequence[Words]) -> list[float]:
    """Against the other text of the closest length; the shorter one on a tie."""
    lengths = sorted(len(words) for words in corpus)
    found = []
    for words in corpus:
        at = bisect_left(lengths, len(words))
        others = lengths[max(0, at - 1) : at] + lengths[at + 1 : at + 2]
        closest = min(others, key=lambda length: (abs(length - len(words)), length))
        found.append(1.0 if len(words) >= closest else math.exp(1 - closest / len(words)))
    return found
