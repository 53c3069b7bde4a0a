"""Reads labelled rows: which shapes a label may have, and which rows rest on one source.

Rows of one source under several names would leak from the part that proposes into the part that
tests, so sources are told apart by their texts as well as by their ids.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import isfinite
from typing import Any

from graders.calibration.same_sources import plain, same_sources
from graders.errors import CalibrationError

WORDS: Mapping[str, bool] = {
    "consistent": True,
    "inconsistent": False,
    "correct": True,
    "incorrect": False,
    "right": True,
    "wrong": False,
}
SHAPES = (
    '"label": "consistent"/"inconsistent", "correct"/"wrong" or true/false (true: right), '
    '"correct": true/false, or "wrong": true/false'
)


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One labelled text. `place` is what messages call it; `source` is the same for rows that rest
    on one source. `row` is fit for `RowGrader`; `grades` are those it came with, if any."""

    place: str
    id: str
    text: str
    right: bool
    source: str
    generator: str
    row: Mapping[str, Any]
    grades: tuple[Mapping[str, Any], ...] | None


def read_labelled(
    rows: Iterable[tuple[str, Any]], recipe: str = "", drop_contradictions: bool = False
) -> tuple[list[LabelledRow], list[str]]:
    """Labelled rows and notices about what was set right; `rows` are (place, object).

    A row is one of `winnow grade`, or a result of it, with a label (SHAPES) and, if the source is
    not in it, a `source_id`; `response` may stand for `text`; other fields are passed over. Gold
    answers are left out: what is generated has none. A row twice under its id counts once.

    With `drop_contradictions` a text labelled both right and wrong about one source counts as
    wrong: its contradiction is dropped, not the text.

    Raises CalibrationError for a row that can't be used, labels that contradict each other, texts
    of which only some name their `model`, or no rows at all.
    """
    given = list(rows)
    read = [_read(place, row, number, recipe) for number, (place, row) in enumerate(given)]
    if not read:
        raise CalibrationError("there are no rows; a calibration set needs labelled texts")
    notices: list[str] = []
    if any(isinstance(row, Mapping) and row.get("gold") is not None for _, row in given):
        notices.append("gold answers are left out: what is generated comes without them")
    _check_generators(read)
    kept = _settle_contradictions(_once(read, notices), drop_contradictions, notices)
    return _join_sources(kept, notices), notices


def right_of(row: Mapping[str, Any]) -> bool | None:
    """What a row's label says: True for right, None where there is none or it says nothing."""
    label = row.get("label")
    if isinstance(label, str):
        return WORDS.get(label.strip().lower())
    for value, flipped in ((label, False), (row.get("correct"), False), (row.get("wrong"), True)):
        if isinstance(value, bool):
            return value is not flipped
    return None


def _read(place: str, row: Any, number: int, recipe: str) -> LabelledRow:
    if not isinstance(row, Mapping):
        raise CalibrationError(f"{place}: not an object but {type(row).__name__}")
    right = right_of(row)
    if right is None:
        raise CalibrationError(f"{place}: has no label; write {SHAPES}")
    grades = row.get("grades")
    if grades is not None and not _are_grades(grades):
        raise CalibrationError(f"{place}: 'grades' are not those of `winnow grade`")
    text = row.get("text", row.get("response"))
    if not isinstance(text, str) and grades is None:
        raise CalibrationError(f"{place}: has neither a 'text' to grade nor 'grades'")
    text = text if isinstance(text, str) else ""
    id_ = str(row.get("id", number))
    gradable = {"id": id_, "text": text}
    for field in ("source", "question"):
        if row.get(field) is not None:
            gradable[field] = row[field]
    if recipe:
        gradable["recipe"] = recipe
    return LabelledRow(
        place=place,
        id=id_,
        text=text,
        right=right,
        source=_source_name(row, text, id_),
        generator=str(row.get("model") or ""),
        row=gradable,
        grades=tuple(grades) if grades is not None else None,
    )


def _check_generators(rows: Sequence[LabelledRow]) -> None:
    """Raise CalibrationError where some rows say which model wrote their text and others do not."""
    unnamed = [row for row in rows if not row.generator]
    if 0 < len(unnamed) < len(rows):
        raise CalibrationError(
            f"{len(unnamed)} of {len(rows)} rows, {unnamed[0].place} first, have no 'model': name "
            "the writer of every text, or of none"
        )


def _are_grades(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(grade, Mapping)
        and isinstance(grade.get("grader"), str)
        and (grade.get("score") is None or _is_score(grade["score"]))
        for grade in value
    )


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _source_name(row: Mapping[str, Any], text: str, id_: str) -> str:
    """The source's id, else its text, else the question; a text with none of them is its own."""
    for field in ("source_id", "source", "question"):
        value = row.get(field)
        if isinstance(value, str | int) and str(value).strip():
            return f"{field}:{value}"
    return f"text:{text or id_}"


def _once(rows: Sequence[LabelledRow], notices: list[str]) -> list[LabelledRow]:
    """Each id once. Raises CalibrationError for an id with two labels or two texts."""
    first: dict[str, LabelledRow] = {}
    for row in rows:
        known = first.setdefault(row.id, row)
        if known is not row and (known.right != row.right or known.text != row.text):
            what = "labels" if known.text == row.text else "texts"
            raise CalibrationError(
                f"{row.place}: the id {row.id!r} is also that of {known.place}, with another of "
                f"the {what}; give each text its own id and one label"
            )
    if len(first) < len(rows):
        notices.append(f"{len(rows) - len(first)} rows repeat another and count once")
    return list(first.values())


def _settle_contradictions(
    rows: Sequence[LabelledRow], count_wrong: bool, notices: list[str]
) -> list[LabelledRow]:
    """Refuse texts that are once right and once wrong about the same source, or count them wrong.

    Left out, the set would be easier than the batches that it certifies: they hold such texts, too.
    """
    same: dict[tuple[str, str], list[LabelledRow]] = {}
    for row in rows:
        about = plain(_source_text(row)) or row.source
        same.setdefault((about, plain(row.text) or row.id), []).append(row)
    torn = [group for group in same.values() if len({row.right for row in group}) > 1]
    if not torn:
        return list(rows)
    if not count_wrong:
        pairs = "; ".join(f"{group[0].place} and {group[1].place}" for group in torn[:3])
        raise CalibrationError(
            f"{len(torn)} texts are labelled right and wrong about the same source ({pairs}): "
            "mend the labels, or count such texts as wrong by --drop-contradictions "
            '(over HTTP "drop_contradictions": true)'
        )
    notices.append(f"{len(torn)} texts with contradictory labels count as wrong")
    doubted = {id(row) for group in torn for row in group}
    return [replace(row, right=False) if id(row) in doubted else row for row in rows]


def _join_sources(rows: Sequence[LabelledRow], notices: list[str]) -> list[LabelledRow]:
    """Give rows one source name where an id, or a source's text, says that they share it."""
    texts: dict[str, set[str]] = {}
    for row in rows:
        texts.setdefault(row.source, set()).add(_source_text(row))
    names = same_sources(texts)
    distinct = set(names.values())
    if len(distinct) < len(texts):
        notices.append(
            f"{len(texts) - len(distinct)} source ids stand for copies of another's text and "
            f"count as one with it: {len(texts)} ids, {len(distinct)} sources"
        )
    digests = {name: _digest(name) for name in distinct}
    return [replace(row, source=digests[names[row.source]]) for row in rows]


def _source_text(row: LabelledRow) -> str:
    return str(row.row.get("source") or row.row.get("question") or "")


def _digest(name: str) -> str:
    return blake2b(name.encode(errors="surrogatepass"), digest_size=8).hexdigest()
