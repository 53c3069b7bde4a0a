"""The calibrations that a caller has, uploaded or configured: each read once, each answer once."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from graders.calibration import Certificate, Refusal
from graders.calibration.scored_set import (
    ScoredSet,
    certificate_for,
    decode_scored_set,
    read_scored_set,
)
from graders.errors import CalibrationError
from service.settings import Settings

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""The error rates that a calibration is asked about when nobody names any."""
_KEPT, _ANSWERS_KEPT = 32, 64

Json = dict[str, Any]
Origin = Literal["uploaded", "configured"]


class Calibration:
    """A calibration set and its answers, each worked out once.

    `answer(alpha, delta)` is `certificate_for`, also in what it raises.
    """

    def __init__(self, scored: ScoredSet, origin: Origin) -> None:
        self.scored, self.origin = scored, origin
        self.answer = lru_cache(_ANSWERS_KEPT)(partial(certificate_for, scored))


def calibration_of(settings: Settings, recipe: str, uploaded: str | None) -> Calibration | None:
    """The uploaded calibration, from its content as stored, else the one configured, if any.

    Raises CalibrationError for one that can't be read.
    """
    if uploaded is not None:
        return _of_content(uploaded, recipe)
    path = settings.calibrations.get(recipe)
    return None if path is None else _of_file(path, _changed_ns(path))


def calibrations_of(settings: Settings, uploaded: Mapping[str, str]) -> dict[str, Calibration]:
    """All calibrations by recipe; an uploaded one hides the one configured for its recipe.

    Raises CalibrationError for one that can't be read.
    """
    names = dict.fromkeys((*settings.calibrations, *uploaded))
    found = {name: calibration_of(settings, name, uploaded.get(name)) for name in names}
    return {name: calibration for name, calibration in found.items() if calibration}


def calibration_object(recipe: str, calibration: Calibration, confidence: float) -> Json:
    """A calibration as the gateway tells of it, with what it answers to RATES."""
    scored = calibration.scored
    found = [calibration.answer(rate, 1.0 - confidence) for rate in RATES]
    own = {"id": recipe, "object": "calibration", "origin": calibration.origin}
    return {**own, **described(scored, found)}


def described(scored: ScoredSet, found: Iterable[Certificate | Refusal]) -> Json:
    """A calibration set in figures, and these answers of it."""
    return {
        "name": scored.name,
        "grading": asdict(scored.grading),
        "generators": scored.generators,
        "rows": len(scored.texts),
        "wrong": sum(not text.right for text in scored.texts),
        "ungraded": sum(text.score is None for text in scored.texts),
        "sources": len({text.source for text in scored.texts}),
        "created_at": scored.created_at,
        "answers": [_answer_object(answer) for answer in found],
    }


def _answer_object(answer: Certificate | Refusal) -> Json:
    """`best_bound` is what can be had; `observed` the share wrong among the `accepted` tested."""
    return {
        "max_error_rate": answer.max_error_rate,
        "confidence": answer.confidence,
        "certified": not isinstance(answer, Refusal),
        "threshold": answer.threshold,
        "coverage": answer.coverage,
        "observed": None if isinstance(answer, Refusal) else answer.observed,
        "accepted": answer.accepted,
        "best_bound": answer.best_bound if isinstance(answer, Refusal) else answer.bound,
    }


@lru_cache(_KEPT)
def _of_content(content: str, recipe: str) -> Calibration:
    decoded = decode_scored_set(content, f"the calibration uploaded for {recipe}")
    return Calibration(decoded, "uploaded")


@lru_cache(_KEPT)
def _of_file(path: Path, changed_ns: int) -> Calibration:
    return Calibration(read_scored_set(path), "configured")


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as exc:
        raise CalibrationError(f"{path}: can't be read: {exc.strerror or exc}") from exc
