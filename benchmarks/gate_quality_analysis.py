"""From scores and labels to the figures of one set: thresholds by cross-validation, intervals.

A threshold is chosen on four fifths of the sources and applied to the last; the decisions of the
five fifths are pooled. Intervals are drawn over sources. An ungraded text counts as refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.labelled_sets import LabelledText, Objective
from graders.metrics.bootstrap import resamples
from graders.metrics.discrimination import auroc_if_any, confusion_of
from graders.metrics.inputs import Bools, Floats
from graders.metrics.quality import measure

FOLDS = 5
REFUSED = 0.0
"""Score of an ungraded text: the gate fails closed."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One set under one grader: arrays of shape (rows,). `refused` is the pooled decision."""

    scores: Floats
    right: Bools
    clusters: NDArray[np.str_]
    tasks: NDArray[np.str_]
    models: NDArray[np.str_]
    ungraded: int
    refused: Bools
    thresholds: tuple[float, ...]


def score_set(
    rows: Sequence[LabelledText], scores: Sequence[float | None], objective: Objective, seed: int
) -> Scored:
    """Put scores beside their rows and decide each by a threshold chosen on other sources."""
    values = np.array([REFUSED if score is None else score for score in scores], np.float64)
    right = np.array([row.right for row in rows], np.bool_)
    clusters = np.array([row.cluster for row in rows])
    refused, thresholds = cross_validate(values, right, clusters, objective, seed)
    return Scored(
        values,
        right,
        clusters,
        np.array([row.task for row in rows]),
        np.array([row.model for row in rows]),
        sum(score is None for score in scores),
        refused,
        thresholds,
    )


def pool(parts: Sequence[Scored]) -> Scored:
    """Several sets as one; a source that two of them share is one source."""
    return Scored(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.clusters for part in parts]),
        np.concatenate([part.tasks for part in parts]),
        np.concatenate([part.models for part in parts]),
        sum(part.ungraded for part in parts),
        np.concatenate([part.refused for part in parts]),
        (),
    )


def cross_validate(
    scores: Floats, right: Bools, clusters: NDArray[np.str_], objective: Objective, seed: int
) -> tuple[Bools, tuple[float, ...]]:
    """Which rows are refused, and the threshold of each fold."""
    fold = folds(clusters, seed)
    refused = np.zeros(len(scores), np.bool_)
    thresholds = []
    for number in range(FOLDS):
        inside = fold == number
        threshold = best_threshold(scores[~inside], right[~inside], objective)
        refused[inside] = scores[inside] < threshold
        thresholds.append(threshold)
    return refused, tuple(thresholds)


def folds(clusters: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """Each row's fold: sources are shuffled and dealt out in turn."""
    names, number = np.unique(clusters, return_inverse=True)
    dealt = np.arange(len(names)) % FOLDS
    np.random.default_rng(seed).shuffle(dealt)
    return np.asarray(dealt[number])


def best_threshold(scores: Floats, right: Bools, objective: Objective) -> float:
    """The threshold that is best on these rows: halfway between two scores, or past either end.

    Among equally good ones the middle one. Rows of one class teach nothing: then one half.
    """
    if right.all() or not right.any():
        return 0.5
    levels, place = np.unique(scores, return_inverse=True)
    wrong = np.concatenate([[0], np.cumsum(np.bincount(place, weights=~right))])
    alarms = np.concatenate([[0], np.cumsum(np.bincount(place, weights=right))])
    cuts = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    value = _f1(wrong, alarms) if objective == "f1" else _balanced(wrong, alarms)
    best = np.flatnonzero(value >= value.max() - 1e-12)
    return float(cuts[best[len(best) // 2]])


def _f1(caught: Floats, alarms: Floats) -> Floats:
    total = caught[-1]
    return np.asarray(2 * caught / np.maximum(1, caught + alarms + total))


def _balanced(caught: Floats, alarms: Floats) -> Floats:
    return np.asarray(caught / max(1.0, caught[-1]) + 1 - alarms / max(1.0, alarms[-1]), np.float64)


def figures(scored: Scored, shipped: float | None, rounds: int, seed: int) -> dict[str, Any]:
    """Every measure of a set, over all of it and per task, with 95% intervals over sources.

    `shipped` is the threshold that the gate has by default; the measures `as_shipped` are taken
    there.
    """
    tasks = sorted(set(scored.tasks.tolist()))
    found: dict[str, Any] = {
        "ungraded": scored.ungraded,
        "thresholds": list(scored.thresholds),
        "all": _part(scored, np.ones(len(scored.right), np.bool_), shipped, rounds, seed),
    }
    if len(tasks) > 1:
        found["tasks"] = {
            task: _part(scored, scored.tasks == task, shipped, rounds, seed) for task in tasks
        }
        found["all"] |= _macro(scored, tasks, rounds, seed)
    return found


def _part(
    scored: Scored, inside: Bools, shipped: float | None, rounds: int, seed: int
) -> dict[str, Any]:
    scores, right, refused = scored.scores[inside], scored.right[inside], scored.refused[inside]
    clusters = scored.clusters[inside]
    found: dict[str, Any] = {
        "rows": len(right),
        "sources": len(set(clusters.tolist())),
        "wrong": int(np.sum(~right)),
    }
    both = bool(right.any() and not right.all())
    draws = list(resamples(clusters.tolist(), len(right), rounds, seed))
    ranked = [auroc_if_any(scores[rows], right[rows]) for rows in draws]
    found["auroc"] = _with_interval(auroc_if_any(scores, right), ranked)
    found |= _decisions(refused, right, draws)
    if shipped is not None:
        measured = _finite(measure(scores, right, shipped)) if both else {}
        found["as_shipped"] = measured | _decisions(scores < shipped, right, draws)
    return found


def _decisions(
    refused: Bools, right: Bools, draws: Sequence[NDArray[np.int64]]
) -> dict[str, dict[str, float | None]]:
    drawn = [_point(refused[rows], right[rows]) for rows in draws]
    return {
        name: _with_interval(value, [sample[name] for sample in drawn])
        for name, value in _point(refused, right).items()
    }


def _point(refused: Bools, right: Bools) -> dict[str, float]:
    decided = confusion_of(refused, right)
    return {
        "f1": decided.f1,
        "precision": decided.precision,
        "recall": decided.recall,
        "balanced_accuracy": decided.balanced_accuracy,
        "accuracy": decided.accuracy,
    }


def _macro(scored: Scored, tasks: Sequence[str], rounds: int, seed: int) -> dict[str, Any]:
    """Balanced accuracy averaged over tasks, each weighing the same."""
    place = np.searchsorted(tasks, scored.tasks)

    def mean(rows: NDArray[np.int64]) -> float:
        weights = [
            np.bincount(place[rows], weights=part, minlength=len(tasks))
            for part in (
                scored.right[rows],
                ~scored.right[rows],
                scored.right[rows] & ~scored.refused[rows],
                ~scored.right[rows] & scored.refused[rows],
            )
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean((weights[2] / weights[0] + weights[3] / weights[1]) / 2))

    value = mean(np.arange(len(scored.right)))
    drawn = resamples(scored.clusters.tolist(), len(scored.right), rounds, seed)
    return {"macro_balanced_accuracy": _with_interval(value, [mean(rows) for rows in drawn])}


def _with_interval(value: float, drawn: Sequence[float]) -> dict[str, float | None]:
    usable = np.array([one for one in drawn if np.isfinite(one)])
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    if len(usable) <= len(drawn) / 2:
        return {"value": float(value), "low": None, "high": None}
    low, high = np.quantile(usable, [0.025, 0.975])
    return {"value": float(value), "low": float(low), "high": float(high)}


def _finite(found: Mapping[str, float]) -> dict[str, Any]:
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def rank_models(scored: Scored, rounds: int, seed: int) -> dict[str, Any]:
    """Does the grader rank the models that wrote the texts as the labels do? Spearman's rho."""
    models = sorted(set(scored.models.tolist()))
    place = np.searchsorted(models, scored.models)

    def rates(rows: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        count = np.maximum(1, np.bincount(place[rows], minlength=len(models)))
        parts = (~scored.right[rows], scored.refused[rows], 1 - scored.scores[rows])
        labelled, refused, mean = (
            np.bincount(place[rows], weights=part, minlength=len(models)) / count for part in parts
        )
        return labelled, refused, mean

    labelled, refused, mean = rates(np.arange(len(scored.right)))
    drawn = resamples(scored.clusters.tolist(), len(scored.right), rounds, seed)
    pairs = [rates(rows) for rows in drawn]
    return {
        "spearman_refused": _with_interval(
            spearman(labelled, refused), [spearman(one[0], one[1]) for one in pairs]
        ),
        "spearman_mean_score": _with_interval(
            spearman(labelled, mean), [spearman(one[0], one[2]) for one in pairs]
        ),
        "models": {
            model: {"labelled_wrong": labelled[n], "refused": refused[n], "mean_wrong": mean[n]}
            for n, model in enumerate(models)
        },
    }


def spearman(a: Floats, b: Floats) -> float:
    """Correlation of average ranks; NaN when either is constant."""
    ranked = [_ranks(values) - (len(values) - 1) / 2 for values in (a, b)]
    scale = float(np.sqrt((ranked[0] ** 2).sum() * (ranked[1] ** 2).sum()))
    return float(ranked[0] @ ranked[1]) / scale if scale else float("nan")


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count + 1) / 2)[place])
