"""Cuts a source into segments, its smallest quotable pieces: sentences, lines, JSON fields.

Every character that carries content lies in one segment; long lines are cut at words.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graders.claims import split_sentences

LONGEST: Final = 60
"""Word-pieces, estimated; a longer sentence or line becomes several segments."""
_PIECE = re.compile(r"\d{1,2}|[^\W\d]{1,9}|[^\w\s]")
_WORD = re.compile(r"\S{1,200}")
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+)', re.DOTALL)
_HOURS = re.compile(r"(\d{1,2}):(\d{1,2})-(\d{1,2}):(\d{1,2})")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
_LITERALS: Final = {"true": "yes", "false": "no", "null": "unknown"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED: Final = {"n": " ", "t": " ", "r": " ", "b": "", "f": " "}


@dataclass(frozen=True, slots=True)
class Segment:
    """`text` is what a reader sees: source[start:end], without JSON's marks where it is JSON."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Field:
    """One value of a JSON source, under the names that lead to it; `parent` is its bracket."""

    parent: int
    path: tuple[str, ...]
    value: str
    start: int
    end: int


def count_pieces(text: str) -> int:
    """About how many word-pieces a BERT tokenizer makes of `text`; needs no tokenizer."""
    return len(_PIECE.findall(text))


def split_segments(source: str) -> list[Segment]:
    """The segments of a source in order, none empty; a text that is not JSON is prose."""
    if source.lstrip()[:1] in ("{", "[") and _is_json(source):
        return list(_grouped(list(_fields(source))))
    return list(_prose(source, 0, len(source)))


def _is_json(source: str) -> bool:
    try:
        json.loads(source)
    except (ValueError, RecursionError):
        return False
    return True


def _prose(source: str, start: int, end: int) -> Iterator[Segment]:
    """A sentence keeps the label, bullet or speaker before it."""
    text = source[start:end]
    begin = 0
    for stop in [claim.end for claim in split_sentences(text)] + [len(text)]:
        if stop > begin:
            yield from _pieces_of(text, begin, stop, start)
            begin = stop


def _pieces_of(text: str, begin: int, end: int, offset: int) -> Iterator[Segment]:
    """text[begin:end] as one segment, or as several where it is too long.

    What has no spaces is cut every 200 characters.
    """
    words = list(_WORD.finditer(text, begin, end))
    first = size = 0
    for i, word in enumerate(words):
        weight = count_pieces(word[0])
        if size and size + weight > LONGEST:
            yield _segment(text, words[first].start(), words[i - 1].end(), offset)
            first, size = i, 0
        size += weight
    if size:
        yield _segment(text, words[first].start(), words[-1].end(), offset)


def _segment(text: str, start: int, end: int, offset: int) -> Segment:
    return Segment(" ".join(text[start:end].split()), start + offset, end + offset)


def _fields(source: str) -> Iterator[_Field]:
    """Walks the tokens of valid JSON once; a value starts where its key does, if it has one."""
    path: list[tuple[str, int]] = []
    key: tuple[str, int] | None = None
    last: tuple[str, int, int] | None = None
    for token in _TOKEN.finditer(source):
        mark, at = token[1], token.start(1)
        if last is not None and mark != ":":
            name, low = key or ("", last[1])
            parent = path[-1][1] if path else 0
            yield _Field(parent, (*(p for p, _ in path), name), last[0], low, last[2])
            key, last = None, None
        if mark == ":" and last is not None:
            key, last = (_CAMEL.sub(" ", last[0]), last[1]), None
        elif mark in "{[":
            path.append((key[0] if key else "", at))
            key = None
        elif mark in "}]":
            path.pop()
        elif mark != ",":
            last = (_readable(mark), at, token.end())


def _readable(mark: str) -> str:
    if not mark.startswith('"'):
        return _LITERALS.get(mark, mark)
    plain = " ".join(_ESCAPE.sub(_unescaped, mark[1:-1]).split())
    return _HOURS.sub(_twelve_hours, plain) if _HOURS.fullmatch(plain) else plain


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _ESCAPED.get(match[2], match[2])


def _twelve_hours(match: re.Match[str]) -> str:
    """`17:30-23:0` as prose tells it: 5:30 PM to 11 PM."""
    hours = [int(match[i]) for i in range(1, 5)]
    if hours[:2] == hours[2:]:
        return match[0]
    return f"{_clock(*hours[:2])} to {_clock(*hours[2:])}"


def _clock(hour: int, minute: int) -> str:
    half = "AM" if hour % 24 < 12 else "PM"
    minutes = f":{minute:02d}" if minute else ""
    return f"{hour % 12 or 12}{minutes} {half}"


def _grouped(fields: list[_Field]) -> Iterator[Segment]:
    """Short fields of one parent share a segment: `Business Parking: garage no, street yes`."""
    group: list[_Field] = []
    size = 0
    for item in fields:
        weight = count_pieces(item.value) + count_pieces(item.path[-1])
        if group and (item.parent != group[0].parent or size + weight > LONGEST):
            yield _joined(group)
            group, size = [], 0
        if weight > LONGEST:
            yield from _long_field(item)
            continue
        group.append(item)
        size += weight
    if group:
        yield _joined(group)


def _joined(group: list[_Field]) -> Segment:
    parent = " ".join(name for name in group[0].path[:-1] if name)
    told = ", ".join(f"{f.path[-1]}: {f.value}" if f.path[-1] else f.value for f in group)
    if parent:
        told = f"{parent}: " + told.replace(": ", " ")
    return Segment(told, group[0].start, group[-1].end)


def _long_field(item: _Field) -> Iterator[Segment]:
    """A long value cut like prose; offsets inside it are close, for escapes count as written."""
    label = " ".join(name for name in item.path if name)
    last = item.end
    for i, part in enumerate(_prose(item.value, 0, len(item.value))):
        low = item.start if i == 0 else min(item.end - len(item.value) + part.start - 1, last)
        high = min(max(item.end - len(item.value) + part.end - 1, low), last)
        yield Segment(f"{label}: {part.text}" if i == 0 and label else part.text, low, high)
