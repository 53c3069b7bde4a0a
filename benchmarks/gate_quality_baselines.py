"""What a grader has to beat: refusing everything, word overlap, retrieval, n-grams."""

import re
from collections import Counter
from math import log, sqrt

from benchmarks.labelled_sets import LabelledText
from graders.claims import split_claims
from graders.entailment.premise import find_terms
from graders.entailment.segments import split_segments
from graders.novelty.index import closest
from graders.novelty.shingles import words

DECONTAMINATION_ORDER = 13


def always_wrong(row: LabelledText) -> float:
    """Refuses every text."""
    return 0.0


def word_overlap(row: LabelledText) -> float:
    """Share of a text's content words (numbers and names count more) that its source has."""
    terms = find_terms(row.candidate.body)
    source = row.candidate.source
    known = find_terms(source.text) if source else {}
    total = sum(terms.values())
    return sum(weight for term, weight in terms.items() if term in known) / total if total else 1.0


def retrieval_cosine(row: LabelledText) -> float:
    """The worst sentence's cosine (TF-IDF over the source) to the segment most like it."""
    source = row.candidate.source
    segments = [find_terms(s.text) for s in split_segments(source.text)] if source else []
    counts = Counter(term for terms in segments for term in terms)
    idf = {term: log(1 + len(segments) / n) for term, n in counts.items()}
    unseen = log(1 + len(segments))
    best = [
        max((_cosine(find_terms(c.text), s, idf, unseen) for s in segments), default=0.0)
        for c in split_claims(row.candidate.body)
    ]
    return min(best, default=1.0)


def _cosine(
    a: dict[str, float], b: dict[str, float], idf: dict[str, float], unseen: float
) -> float:
    dot = sum((idf[term] ** 2) for term in a if term in b)
    size = _norm(a, idf, unseen) * _norm(b, idf, unseen)
    return min(1.0, dot / size) if size else 0.0


def _norm(terms: dict[str, float], idf: dict[str, float], unseen: float) -> float:
    return sqrt(sum(idf.get(term, unseen) ** 2 for term in terms))


def near_duplicate(row: LabelledText) -> float:
    """1 less the Jaccard index of word pairs, as the near-duplicate check verifies it."""
    found = closest(row.candidate.text, [("original", row.other or "")])
    return 1.0 - (found.similarity if found else 0.0)


def ngram_overlap(row: LabelledText) -> float:
    """0 when both texts share thirteen words in a row, the usual decontamination check."""
    mine, theirs = _grams(row.candidate.text), _grams(row.other or "")
    return float(mine.isdisjoint(theirs))


def _grams(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    n = DECONTAMINATION_ORDER
    return {tuple(found[at : at + n]) for at in range(len(found) - n + 1)}


def word_containment(row: LabelledText) -> float:
    """1 less the share of a text's distinct words that the other text has."""
    mine, theirs = set(words(row.candidate.text)), set(words(row.other or ""))
    return 1.0 - (len(mine & theirs) / len(mine) if mine else 1.0)


_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def last_number_is_gold(row: LabelledText) -> float:
    """1 when the last number of a solution is the gold answer's number."""
    stated, gold = _last_number(row.candidate.text), _last_number(row.candidate.gold or "")
    return float(stated is not None and stated == gold)


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
