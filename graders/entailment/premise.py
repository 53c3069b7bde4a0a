"""Picks, for each claim, the windows of its source that speak of it: the cross-encoder's premise.

Retrieval is lexical: rare words of the source count most, numbers and names above others. A
source that fits is taken whole.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graders.entailment.segments import count_pieces, split_segments
from graders.quantities import ORDINALS, SMALL, TENS

BUDGET: Final = 170
"""Word-pieces for a premise: with a claim and the sentence before it, 256 in all."""
WINDOW: Final = 45
"""Word-pieces that a window holds at least, when its source has them."""
CONTEXT_WEIGHT: Final = 0.3
REPEAT_WEIGHT: Final = 0.35
LEAD_BONUS: Final = 0.5
"""The first window names what a text is about: it gets this share of an average word's weight."""
LONGEST_READ: Final = 4000
"""Characters of a claim, its first ones, and of its context, its last, that are searched for."""
_RANKED: Final = 8
_SEGMENT_BYTES: Final = 200
_TERM_BYTES: Final = 150

_TERM = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_SUFFIX = re.compile(
    r"(?<=[^\W\d_]{3})(?:ations?|ments?|ings?|ness|edly|ies|ed|es|ly|s|(?<![aeiou])y|e)$"
)
_STOP: Final = frozenset(
    "a an the of in on at to for from by with and or but nor so as is are was were be been being "
    "am do does did done has have had having will would can could may might shall should must it "
    "its this that these those he she they them his her hers their theirs him i me my we us our "
    "you your who whom whose which what when where why how there here then than also into onto "
    "over under about after before between during through while because if not no s t re ve ll d "
    "such some any each both all more most other others own same very too just only even still "
    "per via".split()
)
_NUMBERS: Final = {word: str(value) for word, value in (SMALL | TENS | ORDINALS).items()}


@dataclass(frozen=True, slots=True)
class Window:
    """A run of whole segments; source[start:end] holds them, offsets count its characters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Premise:
    """What the cross-encoder reads: the windows' texts in source order, gaps marked by `…`."""

    text: str
    windows: tuple[Window, ...]


def find_terms(text: str) -> dict[str, float]:
    """Terms of the content words of a text, each with its weight: numbers 2, number words and names
    1.5, else 1.
    """
    terms: dict[str, float] = {}
    for match in _TERM.finditer(text):
        word = match[0]
        term = term_of(word)
        if term:
            named = word[0].isupper() or term[0].isdigit()
            weight = 2.0 if word[0].isdigit() else 1.5 if named else 1.0
            terms[term] = max(terms.get(term, 0.0), weight)
    return terms


def term_of(word: str) -> str:
    """What words of one meaning share: a number in digits, or the stem's first letters. Empty for
    a word too common to tell anything.
    """
    lower = word.lower()
    if lower[0].isdigit():
        return lower.replace(",", "").rstrip(".")
    if lower in _STOP:
        return ""
    return _NUMBERS.get(lower) or _SUFFIX.sub("", lower)[:8]


class SourceIndex:
    """One source, cut and indexed once; then asked for the premise of each of its claims.

    Terms are kept as postings, the windows that hold each: memory grows with the source's words.
    """

    def __init__(self, source: str) -> None:
        self._segments = split_segments(source)
        self._sizes = [count_pieces(segment.text) for segment in self._segments]
        self._runs = self._overlapping_runs()
        self._column: dict[str, int] = {}
        columns, segments = self._occurrences()
        counts = np.bincount(columns, minlength=len(self._column))
        self._idf = np.log(1 + len(self._segments) / counts).astype(np.float32)
        self._starts, self._rows = self._postings(columns, segments)

    @property
    def nbytes(self) -> int:
        """About how much memory this takes."""
        texts = sum(len(segment.text) for segment in self._segments)
        objects = _SEGMENT_BYTES * len(self._segments) + _TERM_BYTES * len(self._column)
        return self._rows.nbytes + self._starts.nbytes + self._idf.nbytes + objects + texts

    def _occurrences(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each term of each segment once: the term's column and the segment's number."""
        columns, segments = array("q"), array("q")
        for i, segment in enumerate(self._segments):
            for term in find_terms(segment.text):
                columns.append(self._column.setdefault(term, len(self._column)))
                segments.append(i)
        return np.array(columns, np.int64), np.array(segments, np.int64)

    def _postings(
        self, columns: NDArray[np.int64], segments: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """rows[starts[c] : starts[c + 1]] are the windows that hold term c, ascending."""
        bounds = np.array(self._runs, np.int64).reshape(len(self._runs), 2)
        first = np.searchsorted(bounds[:, 1], segments, side="right")
        many = np.searchsorted(bounds[:, 0], segments, side="right") - first
        offsets = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        pairs = np.repeat(columns * len(self._runs) + first, many) + offsets
        pairs = np.unique(pairs)
        held, rows = np.divmod(pairs, max(1, len(self._runs)))
        starts = np.searchsorted(held, np.arange(len(self._column) + 1))
        return starts, rows.astype(np.int32)

    def best(self, claim: str, context: str = "", k: int = 3) -> list[Window]:
        """The k windows that best cover the claim's words, in source order; they may overlap."""
        rows = islice(self._ranked(claim, context), k)
        return [self._window(*self._runs[row]) for row in sorted(rows)]

    def premise(self, claim: str, context: str = "", budget: int = BUDGET) -> Premise:
        """The best windows joined, in at most `budget` word-pieces (one window at the least)."""
        if sum(self._sizes) <= budget:
            return self._premise(set(range(len(self._segments))))
        chosen: set[int] = set()
        left = budget
        for row in self._ranked(claim, context):
            low, high = self._runs[row]
            fresh = [i for i in range(low, high) if i not in chosen]
            cost = sum(self._sizes[i] for i in fresh)
            if cost <= left or not chosen:
                chosen.update(fresh)
                left -= cost
            if left < WINDOW // 3:
                break
        return self._premise(chosen)

    def _overlapping_runs(self) -> list[tuple[int, int]]:
        """From each segment on, as many as fill a window; the last ones are not repeated."""
        runs: list[tuple[int, int]] = []
        for low in range(len(self._segments)):
            high, size = low, 0
            while high < len(self._segments) and (high == low or size < WINDOW):
                size += self._sizes[high]
                high += 1
            if not runs or high > runs[-1][1]:
                runs.append((low, high))
        return runs

    def _ranked(self, claim: str, context: str) -> Iterator[int]:
        """Windows by what each adds to those before it; a word covered again counts for less."""
        terms = {t: w * CONTEXT_WEIGHT for t, w in find_terms(context[-LONGEST_READ:]).items()}
        terms |= find_terms(claim[:LONGEST_READ])
        known = [(self._column[t], w) for t, w in terms.items() if t in self._column]
        columns = [column for column, _ in known]
        weights = np.array([w for _, w in known], np.float32) * self._idf[columns]
        held = [self._rows[self._starts[c] : self._starts[c + 1]] for c in columns]
        rows = np.concatenate([*held, np.zeros(0, np.int32)])
        owners = np.repeat(np.arange(len(held)), [len(own) for own in held])
        taken: dict[int, None] = {}
        lead = LEAD_BONUS * (float(weights.mean()) if known else 1.0)
        for _ in range(min(len(self._runs), _RANKED)):
            gains = np.bincount(rows, weights[owners], len(self._runs)).astype(np.float32)
            gains[0] += lead
            gains[list(taken)] = -1.0
            best = int(gains.argmax())
            taken[best] = None
            yield best
            again = owners[rows == best]
            weights[again] *= np.float32(REPEAT_WEIGHT)
        yield from (row for row in range(len(self._runs)) if row not in taken)

    def _window(self, low: int, high: int) -> Window:
        parts = self._segments[low:high]
        return Window(" ".join(p.text for p in parts), parts[0].start, parts[-1].end)

    def _premise(self, chosen: set[int]) -> Premise:
        windows: list[Window] = []
        for i in sorted(chosen):
            if i - 1 not in chosen:
                high = next(j for j in range(i, len(self._segments) + 1) if j not in chosen)
                windows.append(self._window(i, high))
        return Premise(" … ".join(window.text for window in windows), tuple(windows))
