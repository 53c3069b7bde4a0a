"""From the probabilities of single claims to the probability that a whole text is supported.

The pooling is learned: logistic regression over the lowest claims, the number of claims, what the
rules found and what the source looks like. Without a learned one the worst claim decides.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, log1p
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from graders.errors import GraderConfigError

FORMAT: Final = 2
POOLING_FILE: Final = "pooling.json"
Kind = Literal["prose", "json", "labelled"]
FEATURES: Final = (
    "lowest",
    "mean_of_lowest_two",
    "mean_of_lowest_three",
    "mean",
    "lowest_words",
    "all_independent",
    "log_claims",
    "numbers",
    "names",
    "wording",
    "foreign",
    "most_foreign",
    "log_foreign",
    "foreign_names",
    "json_foreign",
    "json",
    "labelled",
)
WITHOUT_MODEL: Final = FEATURES[FEATURES.index("log_claims") :]
"""The features that no model has a part in: as good on texts that a model was trained on."""
_LEAST: Final = 1e-4
"""Probabilities are clipped to [1e-4, 1 - 1e-4] before their logit is taken."""


@dataclass(frozen=True, slots=True)
class ClaimScore:
    """What is known of one claim.

    `probability` that it is supported, the same of its least supported words (None: the model
    does not say), and how many numbers, names and other wordings the rules object to. `terms` is
    the weight of its content words, `foreign` of those that the source nowhere has.
    """

    probability: float
    words: float | None = None
    numbers: int = 0
    names: int = 0
    wording: int = 0
    terms: float = 0.0
    foreign: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolingRow:
    """One labelled text for `fit_pooling`: its features, whether every claim is supported, and
    how much it counts."""

    features: tuple[float, ...]
    supported: bool
    weight: float = 1.0


class Pooling(Protocol):
    """The probability that every claim of a text is supported, from `features_of` it."""

    def probability(self, features: Sequence[float]) -> float: ...


@dataclass(frozen=True, slots=True)
class WorstClaim:
    """The probability of the worst claim."""

    def probability(self, features: Sequence[float]) -> float:
        return _sigmoid(features[0])


@dataclass(frozen=True, slots=True)
class LogisticPooling:
    """Logistic regression over standardised features; all tuples are in the order of FEATURES."""

    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def probability(self, features: Sequence[float]) -> float:
        parts = zip(features, self.means, self.scales, self.weights, strict=True)
        return _sigmoid(self.bias + sum((x - m) / s * w for x, m, s, w in parts))


def features_of(
    claims: Sequence[ClaimScore], kind: Kind, foreign_names: int = 0
) -> tuple[float, ...]:
    """What pooling looks at, in the order of FEATURES; `claims` is not empty, `foreign_names` are
    those of the whole text that its source lacks.

    Probabilities enter as logits; `all_independent` is the log of their product.
    """
    logits = sorted(_logit(claim.probability) for claim in claims)
    lowest_words = min(_logit(c.probability if c.words is None else c.words) for c in claims)
    foreign = sum(claim.foreign for claim in claims)
    share = foreign / (sum(claim.terms for claim in claims) or 1.0)
    return (
        logits[0],
        _mean(logits[:2]),
        _mean(logits[:3]),
        _mean(logits),
        lowest_words,
        sum(log(max(claim.probability, _LEAST)) for claim in claims),
        log(len(claims)),
        float(sum(claim.numbers for claim in claims)),
        float(sum(claim.names for claim in claims)),
        float(sum(claim.wording for claim in claims)),
        share,
        max(claim.foreign / (claim.terms or 1.0) for claim in claims),
        log1p(foreign),
        log1p(foreign_names),
        share * (kind == "json"),
        float(kind == "json"),
        float(kind == "labelled"),
    )


def fit_pooling(
    rows: Sequence[PoolingRow],
    penalty: float = 1.0,
    *,
    prior: LogisticPooling | None = None,
    only: Collection[str] = FEATURES,
) -> LogisticPooling:
    """Fit by Newton's method (iteratively reweighted least squares: Bishop 2006, section 4.3.3).

    `penalty` is the weight of the squared distance of the coefficients from those of `prior`, or
    from zero; the bias is left out. Features not in `only` get no coefficient. Raises ValueError
    when the rows hold one class only.
    """
    import numpy as np

    if len({row.supported for row in rows}) < 2:
        raise ValueError("pooling needs both supported and unsupported texts to learn from")
    x = np.array([row.features for row in rows], dtype=float)
    y = np.array([row.supported for row in rows], dtype=float)
    counts = np.array([row.weight for row in rows], dtype=float)
    means, scales = x.mean(axis=0), x.std(axis=0)
    scales[scales < 1e-9] = 1.0
    centre = np.zeros(x.shape[1] + 1)
    if prior is not None:
        means, scales = np.array(prior.means), np.array(prior.scales)
        centre[:] = (*prior.weights, prior.bias)
    x = np.hstack([(x - means) / scales, np.ones((len(x), 1))])
    x[:, :-1] *= [name in only for name in FEATURES]
    ridge = np.diag([*[penalty] * len(FEATURES), 1e-6])
    beta = centre.copy()
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (counts * (p - y)) + ridge @ (beta - centre)
        hessian = (x * (counts * p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    weights, bias = beta[:-1].tolist(), float(beta[-1])
    return LogisticPooling(tuple(means.tolist()), tuple(scales.tolist()), tuple(weights), bias)


def save_pooling(pooling: LogisticPooling, folder: Path) -> None:
    """Write `pooling.json` beside the model, whole or not at all."""
    table = {
        name: {"mean": m, "scale": s, "weight": w}
        for name, m, s, w in zip(
            FEATURES, pooling.means, pooling.scales, pooling.weights, strict=True
        )
    }
    text = json.dumps({"format": FORMAT, "bias": pooling.bias, "features": table}, indent=2)
    partial = folder / f"{POOLING_FILE}.partial"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / POOLING_FILE)


def load_pooling(folder: Path) -> Pooling:
    """The learned pooling beside a model, or the worst claim when there is none.

    Raises GraderConfigError for a damaged file and for one of another format.
    """
    path = folder / POOLING_FILE
    if not path.is_file():
        return WorstClaim()
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if given.get("format") != FORMAT:
            raise GraderConfigError(
                f"{path} has format {given.get('format')!r}, this version reads {FORMAT}: train "
                "the model again with `winnow train-grader`, or delete the file to let the worst "
                "claim decide"
            )
        return _read(given)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as exc:
        raise GraderConfigError(
            f"{path} is damaged ({exc!r}): restore it, train again with `winnow train-grader`, or "
            "delete it to let the worst claim decide"
        ) from exc


def _read(given: Mapping[str, Any]) -> LogisticPooling:
    table = given["features"]
    if tuple(table) != FEATURES:
        raise ValueError(f"its features are {', '.join(table)}")
    columns = [tuple(float(table[n][part]) for n in FEATURES) for part in _PARTS]
    pooling = LogisticPooling(columns[0], columns[1], columns[2], float(given["bias"]))
    if not all(map(isfinite, (*columns[0], *columns[1], *columns[2], pooling.bias))):
        raise ValueError("a coefficient is not a finite number")
    if min(pooling.scales) <= 0:
        raise ValueError("a scale is not positive")
    return pooling


_PARTS: Final = ("mean", "scale", "weight")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _logit(probability: float) -> float:
    p = min(max(probability, _LEAST), 1 - _LEAST)
    return log(p / (1 - p))


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else 1 - 1 / (1 + exp(x))
