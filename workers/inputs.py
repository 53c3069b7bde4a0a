"""Reads texts from files, folders, URLs and Hugging Face datasets, piece by piece.

A piece is what one worker reads by itself: a file, a row group of a Parquet file, a stretch of a
dataset. Every row knows its place, so that whatever is wrong with it can be found.
"""

import csv
import glob
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import orjson

from graders.types import Source
from workers.batch_config import InputConfig
from workers.errors import SpecError

ENDINGS = (".jsonl", ".ndjson", ".parquet", ".csv", ".txt")
DATASET_ROWS = 50_000
MAX_FIELD = 2**31 - 1
"""Characters in one field of CSV; the csv module's own limit is 131,072."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the input that can be read by itself; all of it is the same in every run.

    `label` is the file as seen from the path that was asked for, or the dataset. Exactly one of
    `path` and `dataset` (name, configuration, split) is set. `start` and `stop` count a Parquet
    file's row groups or a dataset's rows; `first_row` counts from 0.
    """

    label: str
    path: str | None = None
    dataset: tuple[str, str | None, str] | None = None
    start: int = 0
    stop: int = 0
    first_row: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """One row and where it stands, as `sheets.jsonl:7`; `error` says why it can't be read."""

    place: str
    row: Row
    error: str | None = None


class BadRowError(ValueError):
    """A row can't be used; the message names the column."""


def list_pieces(config: InputConfig) -> list[Piece]:
    """Everything that is to be read, in order. Raises SpecError when there is nothing."""
    pieces = _dataset_pieces(config) if config.path is None else _file_pieces(config.path)
    if not pieces:
        raise SpecError(f"{config.path or config.dataset}: nothing to read in it")
    return pieces


def read_piece(piece: Piece) -> Iterator[Placed]:
    """The rows of one piece, in order. A line that is not JSON is a row with an `error`.

    Raises SpecError for a file that can't be read at all.
    """
    if piece.path is None:
        yield from _dataset_rows(piece)
        return
    with _told(piece.path):
        yield from _READERS[_ending(piece.path)](piece)


def read_sources(config: InputConfig) -> tuple[Source, ...]:
    """Every source of the input. Raises SpecError at the first row that is none, or repeats an id.

    All are held in memory: the closed loop comes back to each of them.
    """
    sources: dict[str, Source] = {}
    for piece in list_pieces(config):
        for placed in read_piece(piece):
            try:
                source = source_of(placed, config)
            except BadRowError as exc:
                raise SpecError(f"{placed.place}: {exc}") from exc
            if source.id in sources:
                raise SpecError(
                    f"{placed.place}: the id {source.id!r} occurs twice; make it unique"
                )
            sources[source.id] = source
    if not sources:
        raise SpecError(f"{config.path or config.dataset}: no rows in it")
    return tuple(sources.values())


def source_of(placed: Placed, config: InputConfig) -> Source:
    """The row as a source. Raises BadRowError, naming the column."""
    text = text_of(placed, config.text)
    if not text.strip():
        raise BadRowError(f"column {config.text!r} is empty; a source needs text")
    return Source(id_of(placed, config), text)


def text_of(placed: Placed, column: str) -> str:
    """The text in this column. Raises BadRowError when there is none."""
    if placed.error is not None:
        raise BadRowError(placed.error)
    if column not in placed.row:
        there = ", ".join(map(str, placed.row)) or "none"
        raise BadRowError(f"there is no column {column!r}; there are: {there}")
    value = placed.row[column]
    if not isinstance(value, str):
        raise BadRowError(f"column {column!r} must be text, not {type(value).__name__}")
    return value


def id_of(placed: Placed, config: InputConfig) -> str:
    """The row's id: of the named column, else of `id`, else its place. Raises BadRowError."""
    value = placed.row.get(config.id or "id")
    if value is None and config.id is None:
        return placed.place
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        column = config.id or "id"
        raise BadRowError(f"column {column!r} must be a text or a whole number to serve as an id")
    return str(value)


def chunks(rows: Iterator[Placed], size: int) -> Iterator[list[Placed]]:
    """The rows in lists of `size`; the last may be shorter."""
    while chunk := list(islice(rows, size)):
        yield chunk


def _file_pieces(path: str) -> list[Piece]:
    with _told(path):
        pieces: list[Piece] = []
        for label, file in _files(path):
            pieces += (
                _row_groups(label, file) if _ending(file) == ".parquet" else [Piece(label, file)]
            )
        return pieces


def _files(path: str) -> list[tuple[str, str]]:
    """The files that a path, a folder or a glob names, sorted: each one's label and full path."""
    import fsspec

    filesystem, bare = fsspec.core.url_to_fs(path)
    if filesystem.isdir(bare):
        found, base = filesystem.find(bare), bare
    elif filesystem.exists(bare):
        _check_ending(path)
        found, base = [bare], bare.rpartition("/")[0]
    elif glob.has_magic(bare):
        found, base = filesystem.glob(bare), _before_magic(bare).rpartition("/")[0]
    else:
        raise SpecError(f"{path}: there is no such file or folder")
    wanted = sorted(name for name in found if _wanted(PurePosixPath(name)))
    return [
        (
            name.removeprefix(base).lstrip("/"),
            filesystem.unstrip_protocol(name) if "://" in path else name,
        )
        for name in wanted
    ]


def _before_magic(pattern: str) -> str:
    return next(pattern[:n] for n, letter in enumerate(pattern) if letter in "*?[")


def _check_ending(path: str) -> None:
    if _ending(path) not in ENDINGS:
        raise SpecError(f"{path}: can't tell what this is; end its name in {', '.join(ENDINGS)}")


def _wanted(file: PurePosixPath) -> bool:
    """Files that are hidden or still being written, by the usual signs, are passed over."""
    return file.suffix in ENDINGS and not file.name.startswith((".", "_"))


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix


def _row_groups(label: str, file: str) -> list[Piece]:
    pieces, first_row = [], 0
    with _parquet(file) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            pieces.append(Piece(label, file, None, group, group + 1, first_row))
            first_row += parquet.metadata.row_group(group).num_rows
    return pieces


def _parquet(file: str) -> Any:
    import fsspec

    try:
        import pyarrow.parquet
    except ImportError as exc:
        raise SpecError("Parquet needs pyarrow: pip install 'winnow[data]'") from exc
    filesystem, bare = fsspec.core.url_to_fs(file)
    return pyarrow.parquet.ParquetFile(filesystem.open(bare, "rb"))


def _parquet_rows(piece: Piece) -> Iterator[Placed]:
    number = piece.first_row
    with _parquet(str(piece.path)) as parquet:
        for batch in parquet.iter_batches(1024, row_groups=range(piece.start, piece.stop)):
            for row in batch.to_pylist():
                number += 1
                yield Placed(f"{piece.label}:{number}", row)


def _json_rows(piece: Piece) -> Iterator[Placed]:
    with _opened(piece, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _json_row(f"{piece.label}:{number}", line)


def _json_row(place: str, line: bytes) -> Placed:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        return Placed(place, {}, f"not JSON ({exc})")
    if isinstance(row, str):
        row = {"text": row}
    if not isinstance(row, dict):
        return Placed(place, {}, f"not an object but {type(row).__name__}")
    return Placed(place, row)


def _csv_rows(piece: Piece) -> Iterator[Placed]:
    """Rows under their header. A row with more or fewer fields than the header has an `error`."""
    csv.field_size_limit(MAX_FIELD)
    with _opened(piece, "rt") as lines:
        reader = csv.DictReader(lines)
        for number, row in enumerate(reader, start=1):
            place = f"{piece.label}:{number}"
            if None in row or None in row.values():
                yield Placed(place, {}, f"does not have the {len(reader.fieldnames or ())} fields "
                             "of the header")  # fmt: skip
            else:
                yield Placed(place, dict(row))


def _document(piece: Piece) -> Iterator[Placed]:
    """A file of text is one row; its name without the ending is its id."""
    with _opened(piece, "rt") as stream:
        text = stream.read()
    yield Placed(piece.label, {"id": PurePosixPath(piece.label).stem, "text": text})


_READERS = {
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".parquet": _parquet_rows,
    ".csv": _csv_rows,
    ".txt": _document,
}


def _opened(piece: Piece, mode: str) -> Any:
    import fsspec

    options = {"encoding": "utf-8-sig", "newline": ""} if "t" in mode else {}
    return fsspec.open(piece.path, mode, **options)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what storage and its libraries raise into a SpecError that names the file."""
    try:
        yield
    except UnicodeDecodeError as exc:
        raise SpecError(
            f"{path}: is not UTF-8 (byte {exc.start}); convert it, e.g. iconv -f latin1 -t utf-8"
        ) from exc
    except (OSError, ImportError, ValueError, csv.Error) as exc:
        raise SpecError(f"{path}: can't be read: {exc}") from exc


def _dataset_pieces(config: InputConfig) -> list[Piece]:
    named = (str(config.dataset), config.config, config.split)
    rows = len(_dataset(named))
    label = "/".join(part for part in named if part)
    return [
        Piece(label, None, named, start, min(start + DATASET_ROWS, rows), start)
        for start in range(0, rows, DATASET_ROWS)
    ]


def _dataset_rows(piece: Piece) -> Iterator[Placed]:
    assert piece.dataset is not None, "a piece is of a file or of a dataset"
    dataset = _dataset(piece.dataset)
    for number in range(piece.start, piece.stop):
        yield Placed(f"{piece.label}:{number + 1}", dataset[number])


@lru_cache(maxsize=1)
def _dataset(named: tuple[str, str | None, str]) -> Any:
    """The dataset, from the hub, its cache or a local folder. Raises SpecError."""
    try:
        import datasets
    except ImportError as exc:
        raise SpecError("a dataset needs more packages: pip install 'winnow[data]'") from exc
    name, config, split = named
    try:
        return datasets.load_dataset(name, config, split=split)
    except Exception as exc:
        raise SpecError(f"the dataset {name} can't be loaded: {exc}") from exc
