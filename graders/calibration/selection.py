"""Picks the threshold whose error rate among what passes is certified, or says what is possible.

Sources are split in two. One part, with all its labels, proposes thresholds in order; the other,
with one text per source, tests them in that order and stops at the first that fails.
"""

import random
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log

from graders.calibration.bounds import binomial_upper, fewest_without_error, log_binomial_tail
from graders.calibration.certificate import Certificate, Refusal
from graders.errors import CalibrationError

PROPOSING = 0.2
"""Share of the sources that propose; the rest tests. This and SLACK: chosen on simulated sets."""
STEPS = 20
"""Most thresholds proposed, evenly spaced in coverage."""
SLACK = 1.3
"""The first threshold tested is the strictest whose expected bound is at most so many times the
lowest: what is too loose refuses everything, what is too strict costs one more step."""
_PSEUDO_SOURCES = 0.25
"""Keeps a threshold that few sources pass from looking flawless to the part that proposes."""


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """One threshold: share of texts that pass, share of those that is wrong, and its bound.

    The bound holds for this threshold by itself, had it been chosen beforehand.
    """

    threshold: float
    coverage: float
    risk: float
    bound: float


@dataclass(frozen=True, slots=True)
class _Text:
    score: float | None
    right: bool

    def passes(self, threshold: float) -> bool:
        return self.score is not None and self.score >= threshold


@dataclass(frozen=True, slots=True)
class _Split:
    proposing: list[list[_Text]]
    tested: list[_Text]


def certify(
    scores: Sequence[float | None],
    labels: Sequence[bool],
    sources: Sequence[Hashable],
    alpha: float,
    delta: float = 0.05,
    seed: int = 0,
) -> Certificate | Refusal:
    """Find the loosest threshold with P(error rate of what passes > alpha) <= delta.

    One score, label (True: right) and source per text; a score of None never passes. What is
    certified is R(t) = P(wrong | score >= t), for a source drawn at random and one of its texts
    drawn at random: sources count alike. Where each source has one text, that is the share of
    rows. Sources must be independent of each other; texts of one source need not be, since only
    one of each is tested, drawn by `seed`.

    Fixed-sequence testing of H_t: R(t) > alpha by the exact binomial tail, from a threshold that
    promises a low bound to ever looser ones (selective risk: Geifman & El-Yaniv 2017,
    section 3; Learn then Test: Angelopoulos et al. 2021, sections 2 and 4.2). R need not be
    monotone in t. A Refusal's bound is that of Clopper & Pearson at the first threshold, which
    the tested part had no say in. Raises CalibrationError for a set that can't say anything.
    """
    _check(scores, labels, sources, alpha, delta)
    split = _split(_by_source(scores, labels, sources), seed)
    sequence = _proposed(split, delta)
    found = None
    for threshold in sequence:
        if _log_tail(split, threshold, alpha) > log(delta):
            break
        found = threshold
    if found is None:
        return _refusal(split, sequence[0], alpha, delta)
    wrong, accepted = _counts(split, found)
    return Certificate(
        max_error_rate=alpha,
        confidence=1.0 - delta,
        bound=alpha,
        threshold=found,
        coverage=_coverage(split, found),
        observed=wrong / accepted,
        accepted=accepted,
        tested=len(split.tested),
        sources=len(split.tested) + len(split.proposing),
        rows=len(scores),
        seed=seed,
    )


def risk_curve(
    scores: Sequence[float | None],
    labels: Sequence[bool],
    sources: Sequence[Hashable],
    delta: float = 0.05,
    seed: int = 0,
) -> list[RiskPoint]:
    """What each threshold lets through, from the strictest on; for looking at, not for choosing.

    Shares are over all texts, sources counting alike. Raises CalibrationError; see `certify`.
    """
    _check(scores, labels, sources, 0.5, delta)
    groups = _by_source(scores, labels, sources)
    split = _split(groups, seed)
    points = []
    for threshold in sorted({text.score for text in split.tested if text.score is not None})[::-1]:
        wrong, accepted = _counts(split, threshold)
        coverage, wrong_share = _shares(groups.values(), threshold)
        bound = binomial_upper(wrong, accepted, delta)
        points.append(RiskPoint(threshold, coverage, wrong_share / coverage, bound))
    return points


def least_sources(alpha: float, delta: float) -> int:
    """How many sources a set needs for (alpha, delta), if every text passed and none was wrong."""
    return ceil(fewest_without_error(alpha, delta) / (1.0 - PROPOSING))


def _check(
    scores: Sequence[float | None],
    labels: Sequence[bool],
    sources: Sequence[Hashable],
    alpha: float,
    delta: float,
) -> None:
    if not len(scores) == len(labels) == len(sources):
        lengths = f"{len(scores)} scores, {len(labels)} labels, {len(sources)} sources"
        raise CalibrationError(f"{lengths}: give one of each per text")
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0.0 < value < 1.0:
            raise CalibrationError(f"{name} must lie between 0 and 1, not be {value}")
    if any(score is not None and not isfinite(score) for score in scores):
        raise CalibrationError("a score is not a finite number; leave it None where there is none")
    if len(set(sources)) < 2:
        raise CalibrationError(
            "texts of fewer than two sources can't be split; "
            f"{least_sources(alpha, delta)} sources are the least for this error rate"
        )
    if all(score is None for score in scores):
        raise CalibrationError("no text has a score: the grader formed no opinion on any of them")


def _by_source(
    scores: Sequence[float | None], labels: Sequence[bool], sources: Sequence[Hashable]
) -> Mapping[Hashable, list[_Text]]:
    groups: dict[Hashable, list[_Text]] = {}
    for score, label, source in zip(scores, labels, sources, strict=True):
        groups.setdefault(source, []).append(_Text(score, bool(label)))
    return groups


def _split(groups: Mapping[Hashable, list[_Text]], seed: int) -> _Split:
    """The sources in a random order: the first propose, the rest is tested, one text of each."""
    draw = random.Random(seed)
    order = sorted(groups, key=lambda source: (type(source).__name__, str(source)))
    draw.shuffle(order)
    first = max(1, round(PROPOSING * len(order)))
    tested = [draw.choice(groups[source]) for source in order[first:]]
    return _Split([groups[source] for source in order[:first]], tested)


def _proposed(split: _Split, delta: float) -> list[float]:
    """Thresholds to test: the strictest whose expected bound is good, then ever looser ones."""
    scores = sorted(
        (text.score for texts in split.proposing for text in texts if text.score is not None),
        reverse=True,
    )
    if not scores:
        raise CalibrationError("too few texts have a score; label more, of more sources")
    steps = (ceil(len(scores) * (step + 1) / STEPS) - 1 for step in range(STEPS))
    candidates = sorted({scores[place] for place in steps}, reverse=True)
    expected = [_expected_bound(split, threshold, delta) for threshold in candidates]
    good = SLACK * min(expected)
    return candidates[next(n for n, bound in enumerate(expected) if bound <= good) :]


def _expected_bound(split: _Split, threshold: float, delta: float) -> float:
    """The bound if the tested part were like the proposing one, its sources counting alike."""
    coverage, wrong = _shares(split.proposing, threshold)
    pseudo = _PSEUDO_SOURCES / len(split.proposing)
    risk = (wrong + pseudo) / (coverage + 2 * pseudo)
    trials = max(1, round(coverage * len(split.tested)))
    return binomial_upper(min(trials, round(risk * trials)), trials, delta)


def _shares(groups: Collection[Sequence[_Text]], threshold: float) -> tuple[float, float]:
    """The share of texts that pass, and that pass and are wrong; sources count alike."""
    accepted = wrong = 0.0
    for texts in groups:
        passing = [text for text in texts if text.passes(threshold)]
        accepted += len(passing) / len(texts)
        wrong += sum(not text.right for text in passing) / len(texts)
    return accepted / len(groups), wrong / len(groups)


def _counts(split: _Split, threshold: float) -> tuple[int, int]:
    """How many tested texts pass and are wrong, and how many pass."""
    passing = [text for text in split.tested if text.passes(threshold)]
    return sum(not text.right for text in passing), len(passing)


def _log_tail(split: _Split, threshold: float, alpha: float) -> float:
    """log of the p-value of "the error rate is above alpha"; 0 where nothing passes."""
    wrong, accepted = _counts(split, threshold)
    return log_binomial_tail(wrong, accepted, alpha) if accepted else 0.0


def _coverage(split: _Split, threshold: float) -> float:
    """The share of texts that pass; sources count alike."""
    coverage, _ = _shares([*split.proposing, *([text] for text in split.tested)], threshold)
    return coverage


def _refusal(split: _Split, threshold: float, alpha: float, delta: float) -> Refusal:
    wrong, accepted = _counts(split, threshold)
    bound = binomial_upper(wrong, accepted, delta) if accepted else 1.0
    needed = fewest_without_error(alpha, delta)
    if accepted < needed:
        reason = (
            f"only {accepted} of {len(split.tested)} tested sources have a text that passes; "
            f"{needed} without an error are the least for {alpha:.1%} at confidence {1 - delta:.1%}"
        )
    else:
        reason = f"{wrong} of {accepted} tested texts that pass are wrong"
    coverage = _coverage(split, threshold)
    return Refusal(
        alpha, 1.0 - delta, bound, threshold if accepted else None, coverage, accepted, reason
    )
