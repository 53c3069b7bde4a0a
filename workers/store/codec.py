"""How the data of a batch becomes text in a column and comes back; the only place that knows."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

import orjson
from pydantic import TypeAdapter

from graders.types import Candidate, Grade, Source, Verdict
from workers.errors import SpecError
from workers.types import BatchSpec

_SPEC = TypeAdapter(BatchSpec)
_GRADES = TypeAdapter(tuple[Grade, ...])
_VERDICT = TypeAdapter(Verdict)
_NOT_STORED = {"batch_id", "seq", "text", "source", "prompt"}
"""What has columns, and the prompt: a recipe makes it anew, and it would double every row."""
_STORED = tuple(sorted(item.name for item in fields(Candidate) if item.name not in _NOT_STORED))
_stored_values = attrgetter(*_STORED)


def encode_spec(spec: BatchSpec) -> str:
    """Canonical JSON. Raises SpecError for what can't be stored.

    JSON holds no lone surrogates and no huge numbers; an id with a NUL fits no column.
    """
    for source in spec.sources:
        if "\0" in source.id:
            raise SpecError(f"the request can't be stored: a NUL in the source id {source.id!r}")
    try:
        return _dump(spec)
    except TypeError as exc:
        raise SpecError(f"the request can't be stored: {exc}") from exc


def decode_spec(stored: str) -> BatchSpec:
    """Inverse of `encode_spec`."""
    return _SPEC.validate_json(stored)


def request_hash(spec: BatchSpec, encoded: str | None = None) -> str:
    """What tells two requests apart; equal requests have equal hashes.

    Of a certificate only what was asked for counts, not what a calibration answered then.
    `encoded` is the spec as encoded, where that is known.
    """
    if spec.certificate is not None:
        asked = {"max_error_rate": spec.certificate.max_error_rate}
        asked["confidence"] = spec.certificate.confidence
        own = {k: v for k, v in spec.thresholds.items() if k != spec.certificate.grader}
        encoded = f"{encode_spec(replace(spec, certificate=None, thresholds=own))}{_dump(asked)}"
    return hashlib.sha256((encoded or encode_spec(spec)).encode()).hexdigest()


def storable(text: str) -> str:
    """Replace, one for one, what no database text holds: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def encode_candidate(candidate: Candidate) -> str:
    """All but what has columns or is in the spec (text, source, key), and the prompt."""
    return _dump(dict(zip(_STORED, _stored_values(candidate), strict=True)))


def decode_candidate(
    stored: str, *, batch_id: str, seq: int, text: str, source: Source | None
) -> Candidate:
    """Inverse of `encode_candidate`, given what was left out."""
    return Candidate(batch_id=batch_id, seq=seq, text=text, source=source, **orjson.loads(stored))


def encode_grades(grades: tuple[Grade, ...]) -> str:
    """JSON list."""
    return _dump(grades)


def decode_grades(stored: str) -> tuple[Grade, ...]:
    """Inverse of `encode_grades`."""
    return _GRADES.validate_json(stored)


def encode_verdict(verdict: Verdict) -> str:
    """JSON object."""
    return _dump(verdict)


def decode_verdict(stored: str) -> Verdict:
    """Inverse of `encode_verdict`."""
    return _VERDICT.validate_json(stored)


def encode_counts(counts: Mapping[str, int]) -> str:
    """JSON object of counts by name."""
    return _dump(counts)


def decode_counts(stored: str) -> dict[str, int]:
    """Inverse of `encode_counts`."""
    counts: dict[str, int] = orjson.loads(stored)
    return counts


def _dump(value: object) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS).decode()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
