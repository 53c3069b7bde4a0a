"""Does the certificate keep its word? Random halves by source: certify on one, count on the other.

A realised error above alpha is a miss; among the splits there may be at most a share delta of
them, but for chance. Where hardly any certificate is granted, the check says nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_quality_scores import show_progress
from graders.calibration import Certificate, certify
from graders.calibration.bounds import log_binomial_tail
from graders.metrics.inputs import Bools, Floats

ALPHAS = (0.05, 0.10, 0.20)
DELTA = 0.05
SPLITS = 200
CHANCE = 0.01
"""More misses than delta are put down to chance when so many come up with this probability."""

Choose = Callable[[Sequence[float], Sequence[bool], Sequence[str], float, float, int], float | None]
"""(scores, right, sources, alpha, delta, seed) to a threshold; None: refused."""


class Scored(Protocol):
    """Labelled texts with their scores: arrays of shape (texts,)."""

    @property
    def scores(self) -> Floats: ...

    @property
    def right(self) -> Bools: ...

    @property
    def clusters(self) -> NDArray[np.str_]: ...


@dataclass(frozen=True, slots=True)
class Realised:
    """What one certificate meant for texts it was not calibrated on; errors NaN if none passed.

    `error` weighs every source alike, which is what is certified; `row_error` every text.
    """

    threshold: float | None
    error: float
    row_error: float
    accepted: float


def check_guarantee(
    scored: Scored, choose: Choose, splits: int, seed: int, name: str = ""
) -> dict[str, Any]:
    """Misses, refusals and yield for each alpha, over `splits` random halves of the sources."""
    return {
        f"{alpha:.2f}": _for_alpha(scored, choose, alpha, splits, seed, name) for alpha in ALPHAS
    }


def choose_threshold(
    scores: Sequence[float],
    right: Sequence[bool],
    sources: Sequence[str],
    alpha: float,
    delta: float,
    seed: int,
) -> float | None:
    """The threshold that the shipped calibration certifies, or None where it refuses."""
    found = certify(scores, right, sources, alpha=alpha, delta=delta, seed=seed)
    return found.threshold if isinstance(found, Certificate) else None


def _for_alpha(
    scored: Scored, choose: Choose, alpha: float, splits: int, seed: int, name: str
) -> dict[str, Any]:
    halves, redrawn = [], []
    began = time.perf_counter()
    for number in range(splits):
        calibration, test = halve(scored.clusters, seed + number)
        halves.append(_realise(scored, choose, alpha, calibration, test, seed + number))
        drawn, names = redraw(scored.clusters, seed + number)
        redrawn.append(_realise(scored, choose, alpha, drawn, None, seed + number, names))
        seconds = time.perf_counter() - began
        show_progress(f"guarantee · {name} · at most {alpha:.0%}", number + 1, splits, seconds)
    return {
        "alpha": alpha,
        "delta": DELTA,
        "splits": splits,
        **tally(halves, alpha),
        "row_weighted_misses": sum(one.row_error > alpha for one in halves),
        "redrawn_sources": tally(redrawn, alpha),
        "realised_errors": [one.error for one in halves if np.isfinite(one.error)],
    }


def halve(clusters: NDArray[np.str_], seed: int) -> tuple[Bools, Bools]:
    """Rows of a random half of the sources, and the rows of the other half."""
    names, place = np.unique(clusters, return_inverse=True)
    chosen = np.zeros(len(names), np.bool_)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen[order[: len(names) // 2]] = True
    return chosen[place], ~chosen[place]


def redraw(clusters: NDArray[np.str_], seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """Half as many sources drawn with replacement: independent draws from a known population.

    Each draw is a source of its own. What a certificate then promises about that population can
    be checked without the chance of a second, finite half.
    """
    names, place = np.unique(clusters, return_inverse=True)
    rows = [np.flatnonzero(place == number) for number in range(len(names))]
    drawn = np.random.default_rng(seed).integers(len(names), size=len(names) // 2)
    ids = [f"{turn}" for turn, number in enumerate(drawn) for _ in rows[number]]
    return np.concatenate([rows[number] for number in drawn]), ids


def _realise(
    scored: Scored,
    choose: Choose,
    alpha: float,
    calibration: NDArray[Any],
    test: Bools | None,
    seed: int,
    names: Sequence[str] | None = None,
) -> Realised:
    """Certify on the calibration rows, then look at the test rows, or at all rows."""
    threshold = choose(
        scored.scores[calibration].tolist(),
        scored.right[calibration].tolist(),
        scored.clusters[calibration].tolist() if names is None else names,
        alpha,
        DELTA,
        seed,
    )
    inside = np.ones(len(scored.right), np.bool_) if test is None else test
    if threshold is None:
        return Realised(None, float("nan"), float("nan"), 0.0)
    passed = scored.scores[inside] >= threshold
    wrong = passed & ~scored.right[inside]
    weights = _source_weights(scored.clusters[inside])
    if not passed.any():
        return Realised(threshold, float("nan"), float("nan"), 0.0)
    error = float(wrong @ weights / (passed @ weights))
    return Realised(threshold, error, float(wrong.sum() / passed.sum()), float(passed.mean()))


def _source_weights(clusters: NDArray[np.str_]) -> Floats:
    _, place, count = np.unique(clusters, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[place])


def tally(found: Sequence[Realised], alpha: float) -> dict[str, Any]:
    """Certificates and misses among the splits; a refusal promises nothing and is no miss.

    `holds` is None where so few certificates were granted that no number of misses among them
    could have failed the check.
    """
    granted = [one for one in found if one.threshold is not None]
    errors = [one.error for one in granted if np.isfinite(one.error)]
    misses, splits = sum(error > alpha for error in errors), len(found)
    chance = _chance_of(misses, splits)
    kept = misses / splits <= DELTA or chance > CHANCE
    return {
        "granted": len(granted),
        "misses": misses,
        "miss_rate": misses / splits,
        "misses_of_granted": misses / len(granted) if granted else None,
        "chance_of_as_many": chance,
        "holds": kept if _chance_of(len(granted), splits) <= CHANCE else None,
        "refused": splits - len(granted),
        "yield": float(np.mean([one.accepted for one in found])),
        "mean_error": float(np.mean(errors)) if errors else None,
    }


def _chance_of(misses: int, splits: int) -> float:
    """That so many splits or more miss where each does with probability DELTA."""
    return exp(log_binomial_tail(splits - misses, splits, 1 - DELTA))
