"""The folder that a batch job writes: `data/` holds what passed, `rejects/` the rest, with why.

It may be local or anywhere that fsspec knows. A file under its final name is always whole.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from workers.errors import ExportError
from workers.export import Export, FileExport
from workers.types import Outcome

MARKER, CARD, PARTS = "_winnow.json", "README.md", "_parts"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """accepted + rejected + failed is every row there was."""

    accepted: int = 0
    rejected: int = 0
    failed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Counts(*(mine + theirs for mine, theirs in pairs))


class OutputFolder:
    """One job's folder. Every method raises ExportError when the storage refuses."""

    def __init__(self, url: str) -> None:
        self.url = url
        with _told(url):
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(url)
            self._local = "file" in _protocols(self._files)

    def claim(self, key: str, job: Mapping[str, Any]) -> None:
        """Make the folder this job's. Raises ExportError when it is another's, or not empty."""
        with _told(self.url):
            there = self._read(MARKER)
            if there is None and self._files.exists(self._root) and self._files.ls(self._root):
                raise ExportError(f"{self.url} is not empty; name a new folder for this job")
            if there is not None and orjson.loads(there).get("key") != key:
                raise ExportError(
                    f"{self.url} holds what another configuration made; name a new folder, or "
                    f"run again what {MARKER} in it says"
                )
        if there is None:
            self.write(MARKER, orjson.dumps({"key": key, "job": job}, option=orjson.OPT_INDENT_2))

    def write(self, name: str, content: bytes) -> None:
        """Write one file whole, over what was there."""
        path = f"{self._root}/{name}"
        with _told(f"{self.url}/{name}"):
            if not self._local:  # object stores show a file when it is whole
                self._files.pipe_file(path, content)
                return
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
            try:
                with part.open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def export(self, name: str) -> Iterator[Export]:
        """A place for rows of any shape; the file is there when the block ends normally."""
        with TemporaryDirectory() as elsewhere:
            target = Path(self._root if self._local else elsewhere, name)
            with _told(self.url):
                target.parent.mkdir(parents=True, exist_ok=True)
            with FileExport(target) as export:
                yield export
            if not self._local:
                with _told(f"{self.url}/{name}"):
                    self._files.put_file(str(target), f"{self._root}/{name}")

    def finished_parts(self) -> set[str]:
        """The names of the parts that are whole."""
        with _told(self.url):
            self._files.invalidate_cache()
            folder = f"{self._root}/{PARTS}"
            found = self._files.ls(folder, detail=False) if self._files.isdir(folder) else ()
        return {Path(name).stem for name in found if name.endswith(".json")}

    def write_part(self, name: str, rows: Sequence[Row]) -> Counts:
        """Write the rows of one part by their `outcome`; its counts come last and make it whole.

        Writing it again, as after a crash, replaces it.
        """
        passed = [row for row in rows if row["outcome"] == Outcome.ACCEPTED]
        others = [row for row in rows if row["outcome"] != Outcome.ACCEPTED]
        failed = sum(row["outcome"] == Outcome.FAILED for row in rows)
        for kind, some in (("data", passed), ("rejects", others)):
            self._write_rows(f"{kind}/{name}.parquet", some)
        counts = Counts(len(passed), len(others) - failed, failed)
        self.write(f"{PARTS}/{name}.json", orjson.dumps(asdict(counts)))
        return counts

    def counts(self) -> Counts:
        """What all finished parts hold."""
        total = Counts()
        for name in self.finished_parts():
            with _told(self.url):
                read = self._files.cat_file(f"{self._root}/{PARTS}/{name}.json")
            total += Counts(**orjson.loads(read))
        return total

    def _write_rows(self, name: str, rows: Sequence[Row]) -> None:
        """No file for no rows: `datasets` can't read one."""
        if rows:
            self.write(name, _parquet(rows))
            return
        with _told(f"{self.url}/{name}"):
            if self._files.exists(f"{self._root}/{name}"):
                self._files.rm_file(f"{self._root}/{name}")

    def _read(self, name: str) -> bytes | None:
        path = f"{self._root}/{name}"
        return bytes(self._files.cat_file(path)) if self._files.exists(path) else None


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except ImportError as exc:
        raise ExportError(f"{where}: {exc}; or pip install 'winnow[s3]' for s3://") from exc
    except (OSError, ValueError) as exc:
        raise ExportError(f"can't write {where}: {exc}") from exc


def _protocols(filesystem: Any) -> tuple[str, ...]:
    named = filesystem.protocol
    return (named,) if isinstance(named, str) else tuple(named)


def _parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    stream = BytesIO()
    table = pyarrow.Table.from_pylist([dict(row) for row in rows], schema=_schema())
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


@lru_cache(maxsize=1)
def _schema() -> Any:
    """One for all parts, whatever they hold: readers of a folder want the same in every file."""
    import pyarrow as arrow

    text, whole = arrow.string(), arrow.int64()
    evidence = {
        "quote": text, "reason": text, "start": whole, "end": whole, "against": text,
        "source_start": whole, "source_end": whole, "supports": arrow.bool_(),
        "claim": text, "probability": arrow.float64(),
    }  # fmt: skip
    grade = {
        "grader": text,
        "score": arrow.float64(),
        "passed": arrow.bool_(),
        "evidence": arrow.list_(arrow.struct(list(evidence.items()))),
    }
    columns = {
        "id": text,
        "outcome": text,
        "text": text,
        "fields": text,
        "reasons": arrow.list_(text),
        "error": text,
        "grades": arrow.list_(arrow.struct(list(grade.items()))),
        "model": text,
        "seed": whole,
        "prompt_tokens": whole,
        "completion_tokens": whole,
    }
    return arrow.schema(list(columns.items()))
