"""Texts for the novelty figures: made up by Zipf's law, or taken from labelled data, and edited."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from workers.entailment.labelled import read_rows

SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
WORDS = 200


class Writer:
    """Writes texts of 200 words over 20,000 different ones, with a number here and there."""

    def __init__(self, seed: int, vocabulary: int = 20_000) -> None:
        names = random.Random(seed)
        self.vocabulary = np.array(
            ["".join(names.choices(SYLLABLES, k=names.randint(1, 4))) for _ in range(vocabulary)],
            object,
        )
        weights = 1.0 / (np.arange(vocabulary) + 2)
        self._cumulated = np.cumsum(weights / weights.sum())
        self._rng = np.random.default_rng(seed)

    def texts(self, count: int, words: int = WORDS) -> list[str]:
        """So many texts, all different."""
        places = np.searchsorted(self._cumulated, self._rng.random((count, words)))
        rows = self.vocabulary[np.minimum(places, len(self.vocabulary) - 1)]
        numbers = self._rng.random(rows.shape) < 0.03
        rows[numbers] = self._rng.integers(2, 999, int(numbers.sum())).astype(str)
        return [" ".join(row) for row in rows]


def edited(rng: random.Random, text: str, vocabulary: Sequence[str], share: float) -> str:
    """Replace, drop or insert a share of the words; change the case or punctuation of others."""
    words = text.split()
    chosen = set(rng.sample(range(len(words)), round(share * len(words))))
    result: list[str] = []
    for n, word in enumerate(words):
        if n not in chosen:
            result.append(rng.choice([word, word, word.capitalize(), word + ","]))
        else:
            result += rng.choice([[rng.choice(vocabulary)], [], [rng.choice(vocabulary), word]])
    return " ".join(result)


def documents(data: Path) -> Iterator[str]:
    """The first 200 words of every source document of the labelled data, each once."""
    seen: set[str] = set()
    for file in sorted((data / "sources").glob("*.jsonl*")):
        for row in read_rows(file):
            text = " ".join(str(row["text"]).split()[:WORDS])
            if len(text.split()) >= 60 and text[:200] not in seen:
                seen.add(text[:200])
                yield text
