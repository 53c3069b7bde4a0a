"""Reads the files that a user names: sources, protected texts, rows to grade.

Whatever is wrong with a file becomes an InputError: one line that says where and what to do.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from graders.types import Source

ENDINGS = ".txt, .jsonl, or a folder of .txt files"


class InputError(Exception):
    """A named file can't be used; the message says where it is wrong and what to do."""


def read_sources(name: str) -> tuple[Source, ...]:
    """The sources in a file, a folder of `.txt` files, or on stdin ("-", JSON lines).

    A `.txt` file is one source. A line of a `.jsonl` file is `{"id"?, "text"}` or a string;
    other keys are ignored. Raises InputError, also when there is no source or two have one id.
    """
    sources = tuple(_read(name))
    if not sources:
        raise InputError(f"{called(name)}: no sources in it; name {ENDINGS}")
    seen: set[str] = set()
    for source in sources:
        if source.id in seen:
            raise InputError(f"{called(name)}: the id {source.id!r} occurs twice; make it unique")
        seen.add(source.id)
    return sources


def read_texts(names: Iterable[Path]) -> tuple[str, ...]:
    """The texts of files of protected texts, in the formats of sources."""
    return tuple(source.text for name in names for source in read_sources(str(name)))


def read_objects(name: str) -> Iterator[tuple[int, Any]]:
    """Each line of JSON in a file or on stdin ("-") with its number; empty lines are passed over.

    Raises InputError at the line that is not JSON.
    """
    for number, line in enumerate(_text(name).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise InputError(f"{called(name)}, line {number}: not JSON ({exc})") from exc


def _read(name: str) -> Iterator[Source]:
    path = Path(name)
    if name != "-" and path.is_dir():
        for file in sorted(path.glob("*.txt")):
            yield _document(file)
    elif name == "-" or path.suffix in (".jsonl", ".ndjson"):
        for number, row in read_objects(name):
            yield _source(row, f"{called(name)}, line {number}", number)
    elif path.suffix == ".txt" or not path.exists():
        yield _document(path)
    else:
        raise InputError(f"{name}: can't tell what this is; name {ENDINGS}")


def _document(path: Path) -> Source:
    text = _text(str(path))
    if not text.strip():
        raise InputError(f"{path}: is empty; a source needs text")
    return Source(path.stem, text)


def _source(row: Any, where: str, number: int) -> Source:
    if isinstance(row, str):
        row = {"text": row}
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise InputError(f'{where}: a source is {{"id": …, "text": …}} or a string')
    if not row["text"].strip():
        raise InputError(f"{where}: its text is empty; a source needs text")
    name = row.get("id", str(number))
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        raise InputError(f"{where}: its id must be a string")
    return Source(str(name), row["text"])


def _text(name: str) -> str:
    """The whole text of a file or of stdin; binary content is refused, not guessed at."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except FileNotFoundError as exc:
        raise InputError(f"{name}: there is no such file") from exc
    except OSError as exc:
        raise InputError(f"{name}: can't be read: {exc.strerror}") from exc
    if b"\0" in raw:
        raise InputError(f"{called(name)}: is binary, not text; name {ENDINGS}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise InputError(
            f"{called(name)}, line {line}: is not UTF-8 (byte {exc.start}); "
            f"convert it, e.g. iconv -f latin1 -t utf-8"
        ) from exc


def check_database(url: str) -> None:
    """Raise InputError where this names a SQLite file that is not there: opening would make it."""
    file = url.removeprefix("sqlite:///")
    plain = file not in (url, "") and not file.startswith((":", "file:"))
    if plain and not Path(file).is_file():
        raise InputError(f"there is no database {file}; name it by --db")


def called(name: str) -> str:
    """What a message calls this file, "-" being stdin."""
    return "standard input" if name == "-" else name
