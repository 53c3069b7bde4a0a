"""A random draw from what a batch accepted, labelled by a person, turned into a bound. Pure."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from graders.calibration.bounds import hypergeometric_upper, sequential_upper


@dataclass(frozen=True, slots=True)
class AuditBound:
    """How many of `population` samples are wrong, at most, at `confidence`.

    `most_wrong` (a number, and as a share) holds at whatever moment a person stops labelling.
    `most_wrong_as_planned` is tighter as a rule, holds by itself, and is there once the `planned`
    samples of the first draw are labelled, a number fixed before anybody saw a label.
    """

    confidence: float
    population: int
    planned: int
    labelled: int
    wrong: int
    most_wrong: int
    most_wrong_share: float
    most_wrong_as_planned: int | None
    most_wrong_share_as_planned: float | None


def draw_more(accepted: Sequence[int], drawn: Collection[int], count: int, seed: int) -> list[int]:
    """`count` more of the `accepted` numbers, uniformly at random among those not `drawn` yet.

    In random order: whoever labels from the first on labels a random sample at every moment.
    """
    known = set(drawn)
    left = sorted(number for number in accepted if number not in known)
    return random.Random(f"{seed}:{len(known)}").sample(left, count)


def audit_bound(
    right: Sequence[bool], population: int, planned: int, confidence: float
) -> AuditBound:
    """The bound from labels in the order of the draw, True for a sample that is right.

    Rests on nothing but the labels and the random draw: exact for a finite population. The bound
    for every moment is the least of those after each label (Waudby-Smith & Ramdas 2020), the other
    one inverts the hypergeometric tail. Raises ValueError when there are more labels than samples.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not be {confidence}")
    delta, wrong, most = 1.0 - confidence, 0, population
    for labelled, is_right in enumerate(right, start=1):
        wrong += not is_right
        most = min(most, sequential_upper(wrong, labelled, population, delta))
    first = right[:planned]
    as_planned = None
    if planned and len(first) == planned:
        wrong_there = sum(not is_right for is_right in first)
        as_planned = hypergeometric_upper(wrong_there, planned, population, delta)
    return AuditBound(
        confidence=confidence,
        population=population,
        planned=planned,
        labelled=len(right),
        wrong=wrong,
        most_wrong=most,
        most_wrong_share=_share(most, population),
        most_wrong_as_planned=as_planned,
        most_wrong_share_as_planned=None if as_planned is None else _share(as_planned, population),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
