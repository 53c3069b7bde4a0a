"""Reads the files that `winnow protect` is given: JSON lines, Parquet, plain text."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.sources import InputError, called, read_objects, read_sources

ENDINGS = ".jsonl, .parquet or .txt (one item a line)"
_LABELS = ("id", "task_id", "name")


def read_items(file: Path, field: str) -> list[tuple[str, str]]:
    """(label, text) of every item; the label is its id, or else its number from 1.

    `field` names the field of the text in JSON lines and Parquet. Raises InputError.
    """
    if file.suffix in (".jsonl", ".ndjson"):
        rows = list(_from_rows(file, field, read_objects(str(file))))
    elif file.suffix == ".parquet":
        rows = list(_from_rows(file, field, _parquet_rows(file)))
    elif file.suffix == ".txt":
        (document,) = read_sources(str(file))
        lines = enumerate(document.text.splitlines(), start=1)
        rows = [(str(number), line.strip()) for number, line in lines if line.strip()]
    else:
        raise InputError(f"{file}: can't tell what this is; name {ENDINGS}")
    if not rows:
        raise InputError(f"{file}: no items in it; name {ENDINGS}")
    return rows


def _from_rows(
    file: Path, field: str, rows: Iterator[tuple[int, Any]]
) -> Iterator[tuple[str, str]]:
    for number, row in rows:
        where = f"{called(str(file))}, row {number}"
        if isinstance(row, str):
            row = {field: row}
        if not isinstance(row, Mapping):
            raise InputError(f"{where}: neither an object nor a string")
        text = row.get(field)
        if not isinstance(text, str):
            there = ", ".join(key for key, value in row.items() if isinstance(value, str))
            raise InputError(
                f"{where}: no text under {field!r}; name the field by --field; "
                f"there are: {there or 'none that hold text'}"
            )
        if not text.strip():
            raise InputError(f"{where}: its {field} is empty; an item needs text")
        yield _label(row, number), text


def _label(row: Mapping[str, Any], number: int) -> str:
    for key in _LABELS:
        if isinstance(row.get(key), str | int):
            return str(row[key])
    return str(number)


def _parquet_rows(file: Path) -> Iterator[tuple[int, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as exc:
        raise InputError(f"{file}: Parquet needs pyarrow: pip install 'winnow[data]'") from exc
    try:
        table = parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as exc:
        raise InputError(f"{file}: is no Parquet file that can be read: {exc}") from exc
    yield from enumerate(table.to_pylist(), start=1)
