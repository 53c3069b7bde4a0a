"""Checks what a measure is handed, and says what to mend when it can't be measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def scored_labels(scores: ArrayLike, right: ArrayLike) -> tuple[Floats, Bools]:
    """Scores and labels as arrays of shape (n,).

    `right` is 1 or True where a text is right, 0 or False where it is wrong. Raises ValueError
    when either is empty, has another shape, differs in length, or holds NaN or another label.
    """
    given, labels = np.asarray(scores, dtype=np.float64), np.asarray(right)
    if given.ndim != 1 or labels.ndim != 1:
        raise ValueError(f"scores and labels must be flat lists, not {given.ndim}-dimensional")
    if len(given) != len(labels):
        raise ValueError(f"{len(given)} scores but {len(labels)} labels: give one of each per text")
    if not len(given):
        raise ValueError("there are no scores: give at least one text")
    unusable = np.flatnonzero(~np.isfinite(given))
    if len(unusable):
        raise ValueError(
            f"score {int(unusable[0])} is {given[unusable[0]]}: leave ungraded texts out, or give "
            "them the score 0 if the gate refuses them"
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 1 (right) or 0 (wrong)")
    return given, labels.astype(np.bool_)


def check_both_classes(right: Bools) -> None:
    """Raises ValueError when all texts are right or all are wrong."""
    if right.all() or not right.any():
        kind = "right" if right.all() else "wrong"
        raise ValueError(f"all {len(right)} texts are {kind}: this needs some of each")


def source_numbers(sources: Sequence[Any] | None, count: int) -> NDArray[np.int64]:
    """Each text's source as a number from 0; without sources each text is a source of its own.

    Raises ValueError unless there is one source per text.
    """
    if sources is None:
        return np.arange(count)
    if len(sources) != count:
        raise ValueError(f"{len(sources)} sources but {count} texts: give one of each per text")
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(source, len(numbers)) for source in sources], np.int64)
