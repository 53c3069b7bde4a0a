"""Exact upper bounds on a share or a number of errors. Pure; nothing here is approximate.

Every bound holds with probability at least 1 − delta over the draw of what was looked at.
"""

from collections.abc import Callable, Iterable
from math import ceil, inf, lgamma, log, log1p

PRIOR = (1.0, 9.0)
"""Of the share wrong among what a gate passed: a beta distribution with mean 0.1."""
_HALVINGS = 50
_NEGLIGIBLE, _HUGE = 1e-18, 1e290


def binomial_upper(errors: int, trials: int, delta: float) -> float:
    """The largest error rate that `errors` in `trials` independent trials do not rule out.

    One-sided Clopper & Pearson (1934): the p at which P(Bin(trials, p) <= errors) = delta.
    """
    if not 0 <= errors <= trials:
        raise ValueError(f"{errors} errors in {trials} trials")
    if errors == trials:
        return 1.0
    return _smallest(lambda rate: log_binomial_tail(errors, trials, rate) <= log(delta))


def log_binomial_tail(errors: int, trials: int, rate: float) -> float:
    """log P(Bin(trials, rate) <= errors)."""
    if rate <= 0.0 or errors >= trials:
        return 0.0
    if rate >= 1.0:
        return -inf
    odds = (1.0 - rate) / rate
    ratios = (k / (trials - k + 1) * odds for k in range(errors, 0, -1))
    last = _log_choose(trials, errors) + errors * log(rate) + (trials - errors) * log1p(-rate)
    return _log_tail(last, ratios)


def hypergeometric_upper(wrong: int, labelled: int, population: int, delta: float) -> int:
    """The most wrong ones that a population can hold, `wrong` of `labelled` drawn being wrong.

    Drawn without replacement, `labelled` fixed beforehand: the largest M that is not rejected by
    P(Hypergeometric(population, M, labelled) <= wrong) <= delta.
    """
    _check_drawn(wrong, labelled, population)
    least, most = wrong, population - (labelled - wrong)
    while least < most:
        middle = (least + most + 1) // 2
        if log_hypergeometric_tail(wrong, labelled, middle, population) > log(delta):
            least = middle
        else:
            most = middle - 1
    return least


def log_hypergeometric_tail(wrong: int, labelled: int, total_wrong: int, population: int) -> float:
    """log P(at most `wrong` of `labelled` drawn are wrong) when `total_wrong` are in all."""
    fewest, right = max(0, labelled - (population - total_wrong)), population - total_wrong
    most = min(wrong, total_wrong)
    if most < fewest:
        return -inf
    last = _log_choose(total_wrong, most) + _log_choose(right, labelled - most)
    ratios = (
        k * (right - labelled + k) / ((total_wrong - k + 1) * (labelled - k + 1))
        for k in range(most, fewest, -1)
    )
    return _log_tail(last - _log_choose(population, labelled), ratios)


def fewest_without_error(alpha: float, delta: float) -> int:
    """How many trials without one error show, at level delta, an error rate of at most alpha."""
    return ceil(log(delta) / log1p(-alpha))


def sequential_upper(wrong: int, labelled: int, population: int, delta: float) -> int:
    """The most wrong ones in a population, at any number labelled, decided at any time.

    The prior-posterior ratio of Waudby-Smith & Ramdas (2020), section 2.2: over draws without
    replacement, prior(M) / posterior(M) is a martingale in the true M, so that with probability
    1 − delta it never reaches 1 / delta (Ville's inequality). The ratio is how likely the labels
    are under the prior over how likely they are under M. The prior is beta-binomial (PRIOR): it
    affects how tight the bound is, not whether it holds.
    """
    _check_drawn(wrong, labelled, population)
    marginal = _log_beta_binomial(wrong, labelled, PRIOR)
    least, most = wrong, population - (labelled - wrong)
    # Past the likeliest M the likelihood only falls, so the largest M left can be bisected for.
    least = min(max(least, wrong * population // labelled if labelled else most), most)
    while least < most:
        middle = (least + most + 1) // 2
        if marginal - _log_draws(wrong, labelled, middle, population) < -log(delta):
            least = middle
        else:
            most = middle - 1
    return least


def log_mixture_ratio(hits: int, trials: int, rate: float, prior: tuple[float, float]) -> float:
    """log of how likely a row of trials is under a beta prior of its rate, over under `rate`.

    For independent trials of this rate the ratio is a martingale: with probability 1 − delta it
    never reaches 1 / delta (Robbins 1970; Ville's inequality). `rate` lies between 0 and 1.
    """
    plain = hits * log(rate) + (trials - hits) * log1p(-rate)
    return _log_beta_binomial(hits, trials, prior) - plain


def _smallest(holds: Callable[[float], bool]) -> float:
    """The smallest number in [0, 1] from which on `holds`, from above; 1 if it never does."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _log_draws(wrong: int, labelled: int, total_wrong: int, population: int) -> float:
    """log of the probability of one order of labels with `wrong` wrong in it."""
    right, total_right = labelled - wrong, population - total_wrong
    return (
        lgamma(total_wrong + 1)
        - lgamma(total_wrong - wrong + 1)
        + lgamma(total_right + 1)
        - lgamma(total_right - right + 1)
        - lgamma(population + 1)
        + lgamma(population - labelled + 1)
    )


def _log_beta_binomial(wrong: int, labelled: int, prior: tuple[float, float]) -> float:
    """The same under a beta prior; draws from a beta-binomial population are beta-binomial too."""
    a, b = prior
    return (
        lgamma(a + wrong)
        + lgamma(b + labelled - wrong)
        - lgamma(a + b + labelled)
        - lgamma(a)
        - lgamma(b)
        + lgamma(a + b)
    )


def _log_tail(last: float, ratios: Iterable[float]) -> float:
    """log of a tail's sum, from the log of its last term and what leads to each one before.

    Ratios fall towards the tail's end, so that terms too small to matter end the sum.
    """
    term = total = 1.0
    for ratio in ratios:
        term *= ratio
        total += term
        if term < _NEGLIGIBLE * total and ratio < 1.0:
            break
        if term > _HUGE:  # then nearly all of the distribution lies in the tail
            return 0.0
    return min(0.0, last + log(total))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _check_drawn(wrong: int, labelled: int, population: int) -> None:
    if not 0 <= wrong <= labelled <= population:
        raise ValueError(f"{wrong} wrong of {labelled} labelled of {population}")
