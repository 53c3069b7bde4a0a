"""A calibration set as it is kept: labelled texts with their scores, enough for any (alpha, delta).

It holds no texts: a score, a label and a source's hash for each, how they were graded, and a
checksum. One that is damaged or of another version is refused, be it in a file or a database.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from graders.calibration.certificate import Certificate, Refusal
from graders.calibration.selection import certify
from graders.errors import CalibrationError

FORMAT, VERSION = "winnow-calibration", 1


@dataclass(frozen=True, slots=True)
class ScoredText:
    """One labelled text. `score` is None where the grader formed no opinion: it never passes."""

    score: float | None
    right: bool
    source: str


@dataclass(frozen=True, slots=True)
class Grading:
    """How the texts were graded; only a gate that grades the same way is certified.

    `options` are the grader's, but for its threshold; `model` is the checkpoint that it asked, ""
    for none.
    """

    grader: str
    version: str
    options: Mapping[str, Any]
    model: str = ""


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """A calibration set. `generators` are the models that wrote its texts, as far as it says."""

    name: str
    recipe: str
    grading: Grading
    generators: tuple[str, ...]
    created_at: float
    texts: tuple[ScoredText, ...]


_SET = TypeAdapter(ScoredSet)


def certificate_for(
    scored: ScoredSet, alpha: float, delta: float, seed: int = 0
) -> Certificate | Refusal:
    """The answer to one request. Raises CalibrationError; see `certify`."""
    found = certify(
        [text.score for text in scored.texts],
        [text.right for text in scored.texts],
        [text.source for text in scored.texts],
        alpha,
        delta,
        seed,
    )
    if isinstance(found, Refusal):
        return found
    return replace(
        found,
        grader=scored.grading.grader,
        grader_version=scored.grading.version,
        recipe=scored.recipe,
        generators=scored.generators,
        calibration_set=scored.name,
        calibration_sha256=_checksum(asdict(scored)),
        calibrated_at=scored.created_at,
    )


def write_scored_set(path: Path, scored: ScoredSet) -> None:
    """Write the file whole or not at all. Raises CalibrationError when it can't be written."""
    try:
        handle, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(encode_scored_set(scored))
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as exc:
        raise CalibrationError(f"can't write {path}: {exc.strerror or exc}") from exc


def read_scored_set(path: Path) -> ScoredSet:
    """Read what `write_scored_set` wrote. Raises CalibrationError, saying what to do."""
    try:
        return decode_scored_set(path.read_bytes(), str(path))
    except OSError as exc:
        raise CalibrationError(f"{path}: can't be read: {exc.strerror or exc}") from exc


def encode_scored_set(scored: ScoredSet) -> str:
    """The set as JSON, with its format, version and checksum."""
    content = asdict(scored)
    whole = {"format": FORMAT, "version": VERSION, "sha256": _checksum(content), "content": content}
    return json.dumps(whole, ensure_ascii=False)


def decode_scored_set(encoded: str | bytes, place: str) -> ScoredSet:
    """Inverse of `encode_scored_set`; `place` is what messages call it. Raises CalibrationError."""
    try:
        whole = json.loads(encoded)
    except ValueError as exc:
        raise CalibrationError(
            f"{place}: is no calibration file or is damaged ({exc}); make it anew by "
            "`winnow calibrate`"
        ) from exc
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise CalibrationError(f"{place}: is no calibration file; `winnow calibrate` makes one")
    if whole.get("version") != VERSION:
        raise CalibrationError(
            f"{place}: has version {whole.get('version')!r}, this Winnow reads {VERSION}; make it "
            "anew by `winnow calibrate`"
        )
    content = whole.get("content")
    if whole.get("sha256") != _checksum(content):
        raise CalibrationError(
            f"{place}: is damaged: its content does not match its checksum; make it anew by "
            "`winnow calibrate`"
        )
    try:
        return _SET.validate_python(content)
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise CalibrationError(f"{place}: {field}: {first['msg']}; make it anew") from exc


def _checksum(content: Any) -> str:
    plain = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return sha256(plain.encode("ascii")).hexdigest()
