"""Writes rows to NDJSON or Parquet. A file under its final name is always whole.

Rows are appended to a temporary file beside it as they come; `finish` syncs that file to the disk
and renames it. Until then, and after a crash, the final name holds what it held before.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import orjson

from workers.errors import ExportError
from workers.row_shape import Shape, UnlikeTypesError, arrow_type, merged, shape_of

FORMATS = (".jsonl", ".ndjson", ".parquet")
ROW_GROUP = 1000
CHUNK_BYTES = 64 * 2**20

Row = Mapping[str, Any]


class Export(Protocol):
    """A place for rows: `write` appends, leaving the `with` block normally calls `finish`.

    Leaving it by an exception drops what was written, unless `finish` was called before.
    """

    def write(self, row: Row) -> None: ...

    def finish(self) -> None: ...

    def discard(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def encode_row(row: Row) -> bytes:
    """One row as a line of NDJSON, UTF-8, with its newline. Dataclasses become objects."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


class StreamExport:
    """NDJSON to an open stream, flushed row by row so that the reader of a pipe sees each."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, row: Row) -> None:
        self._stream.write(encode_row(row))
        self._stream.flush()

    def finish(self) -> None:
        self._stream.flush()

    def discard(self) -> None:
        """Nothing: what was sent down a pipe is gone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class FileExport:
    """NDJSON or Parquet (by the ending of `path`), renamed into place when finished.

    Raises ExportError at once when the folder is missing or not writable, the ending is unknown,
    or Parquet is asked for without its packages; later when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        check_target(path)
        self._path = path
        self._part: Path | None = None
        with _disk_errors(path):
            handle, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
            self._part = Path(name)
            self._stream = os.fdopen(handle, "wb")

    def write(self, row: Row) -> None:
        """Append one row."""
        with _disk_errors(self._path):
            self._stream.write(encode_row(row))

    def finish(self) -> None:
        """Sync and rename; a second call does nothing."""
        if self._part is None:
            return
        with _disk_errors(self._path):
            _sync(self._stream)
            if self._path.suffix == ".parquet":
                spool, self._part = self._part, _parquet_beside(self._part)
                spool.unlink()
            self._part.chmod(0o666 & ~_umask())
            self._part.replace(self._path)
        self._part = None

    def discard(self) -> None:
        """Drop what was written; the final name stays as it was."""
        with contextlib.suppress(OSError):
            self._stream.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.discard()


def open_export(path: str) -> Export:
    """The place that a command's `--out` names: a file, or NDJSON on stdout for "-"."""
    return StreamExport(sys.stdout.buffer) if path == "-" else FileExport(Path(path))


def check_target(path: Path) -> None:
    """Raise ExportError unless a file can be written there, saying what to change."""
    if path.suffix not in FORMATS:
        raise ExportError(f"can't tell the format of {path}; end its name in {', '.join(FORMATS)}")
    if path.is_dir():
        raise ExportError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ExportError(f"there is no folder {path.parent}; make it first")
    if path.suffix == ".parquet":
        _load_pyarrow()


def write_rows(path: str, rows: Iterator[Row]) -> int:
    """Write all rows to a new file, or none; the number written."""
    written = 0
    with open_export(path) as export:
        for row in rows:
            export.write(row)
            written += 1
    return written


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file whole, over what was there. Raises ExportError."""
    with _disk_errors(path):
        handle, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                _sync(stream)
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc.strerror or exc}") from exc


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _load_pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.json
        import pyarrow.parquet
    except ImportError as exc:
        raise ExportError("Parquet needs pyarrow: pip install 'winnow[data]'") from exc
    return pyarrow


def _chunks(spool: Path) -> Iterator[list[bytes]]:
    """Lines of the spool, so many at once as make a row group of moderate size."""
    chunk: list[bytes] = []
    size = 0
    with spool.open("rb") as lines:
        for line in lines:
            chunk.append(line if b"{}" not in line else encode_row(_storable(orjson.loads(line))))
            size += len(line)
            if len(chunk) == ROW_GROUP or size > CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk


def _storable(value: Any) -> Any:
    """Parquet has no struct without fields: an empty object becomes null."""
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()} or None
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return value


def _parquet_beside(spool: Path) -> Path:
    """Rewrite spooled rows as Parquet under one schema that fits them all; two passes.

    Arrow reads the lines itself: `Table.from_pylist` would import pandas, where there is one.
    """
    arrow = _load_pyarrow()
    target = spool.with_suffix(".parquet.part")
    try:
        schema = _schema_for(spool, arrow)
        parsed = arrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
        with target.open("wb") as stream:
            with arrow.parquet.ParquetWriter(stream, schema) as writer:
                for chunk in _chunks(spool):
                    rows = b"".join(chunk)
                    read = arrow.json.ReadOptions(use_threads=False, block_size=len(rows))
                    writer.write_table(arrow.json.read_json(BytesIO(rows), read, parsed))
            stream.flush()
            os.fsync(stream.fileno())
    except (arrow.ArrowException, UnlikeTypesError) as exc:
        target.unlink(missing_ok=True)
        raise ExportError(
            f"these rows fit no Parquet schema ({exc}): give a field values of one type in every "
            "row, or write .jsonl"
        ) from exc
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def _schema_for(spool: Path, arrow: Any) -> Any:
    shape: Shape = None
    for chunk in _chunks(spool):
        for line in chunk:
            shape = merged(shape, shape_of(orjson.loads(line)))
    columns = shape if isinstance(shape, dict) else {}
    return arrow.schema([(name, arrow_type(inner, arrow)) for name, inner in columns.items()])
