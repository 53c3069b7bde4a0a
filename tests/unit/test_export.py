"""Rows on disk: whole files only, in both formats."""

import errno
import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from workers.errors import ExportError
from workers.export import ROW_GROUP, FileExport, StreamExport, encode_row, write_rows
from workers.row_shape import UnlikeTypesError, merged, shape_of

pq = pytest.importorskip("pyarrow.parquet")


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rows_come_back_from_ndjson_in_order(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    rows = [{"id": n, "text": "naïve\nline", "none": None} for n in range(5)]
    assert write_rows(str(out), iter(rows)) == 5
    assert [orjson.loads(line) for line in out.read_bytes().splitlines()] == rows
    assert leftovers(tmp_path) == ["rows.jsonl"]


def test_nested_rows_whose_types_differ_share_one_parquet_schema(tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    with FileExport(out) as export:
        for n in range(ROW_GROUP + 1):
            export.write({"n": n, "score": None, "fields": {"essay": "a"}, "metadata": {}})
        export.write({"n": 7, "score": 0.5, "fields": {"essay": "b", "thesis": "t"}})
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == ROW_GROUP + 2
    assert rows[-1] == {
        "n": 7,
        "score": 0.5,
        "fields": {"essay": "b", "thesis": "t"},
        "metadata": None,
    }
    assert rows[0]["fields"] == {"essay": "a", "thesis": None}
    assert leftovers(tmp_path) == ["rows.parquet"]


def test_rows_that_fit_no_parquet_schema_are_refused_with_what_to_do(tmp_path: Path) -> None:
    for rows in ([{"id": 1}, {"id": "a"}], [{"id": 1}] * ROW_GROUP + [{"id": "a"}]):
        with pytest.raises(ExportError, match=r"of one type in every row, or write \.jsonl"):
            write_rows(str(tmp_path / "rows.parquet"), iter(rows))
        assert leftovers(tmp_path) == []


def test_no_rows_still_make_a_readable_file(tmp_path: Path) -> None:
    write_rows(str(tmp_path / "none.parquet"), iter(()))
    write_rows(str(tmp_path / "none.jsonl"), iter(()))
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    assert (tmp_path / "none.jsonl").read_bytes() == b""


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_an_error_in_the_middle_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    out.write_bytes(b"old")
    with pytest.raises(KeyError), FileExport(out) as export:
        export.write({"a": 1})
        raise KeyError
    assert out.read_bytes() == b"old"
    assert leftovers(tmp_path) == [name]


def test_finish_keeps_the_rows_even_if_the_block_is_then_interrupted(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt), FileExport(out) as export:
        export.write({"a": 1})
        export.finish()
        raise KeyboardInterrupt
    assert out.read_bytes() == b'{"a":1}\n'


def test_the_final_name_does_not_exist_before_the_rows_are_whole(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    with FileExport(out) as export:
        export.write({"a": 1})
        assert not out.exists()
    assert out.exists()


class FullDisk(io.RawIOBase):
    """A stream on a device without room."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fdopen", lambda handle, mode: FullDisk())
    with (
        pytest.raises(ExportError, match="No space left"),
        FileExport(tmp_path / "rows.jsonl") as export,
    ):
        export.write({"a": 1})
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [("rows.csv", "jsonl"), ("missing/rows.jsonl", "make it first"), (".", "format")],
)
def test_a_target_that_can_not_work_is_refused_at_once(
    tmp_path: Path, name: str, advice: str
) -> None:
    with pytest.raises(ExportError, match=advice):
        FileExport(tmp_path / name)


def test_a_stream_gets_every_row_at_once() -> None:
    stream = io.BytesIO()
    with StreamExport(stream) as export:
        export.write({"a": 1})
        assert stream.getvalue() == b'{"a":1}\n'


def test_dataclasses_are_written_as_objects() -> None:
    @dataclass(frozen=True, slots=True)
    class Pair:
        left: int
        right: tuple[str, ...]

    assert orjson.loads(encode_row({"pair": Pair(1, ("a",))})) == {
        "pair": {"left": 1, "right": ["a"]}
    }


def test_values_keep_their_types_and_pandas_is_not_imported(tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    rows = [
        {"when": "2020-01-01T00:00:00", "text": "ä\0\u2028\n{}", "big": 2**62, "mixed": 1},
        {"when": "2020-01-02", "text": "", "big": -1, "mixed": 0.1},
        {"when": None, "text": None, "big": None, "mixed": None, "late": [{"a": True}, {}]},
    ]
    code = (
        "import sys, orjson; from workers.export import write_rows\n"
        "write_rows(sys.argv[1], iter(orjson.loads(sys.argv[2])))\n"
        "assert 'pandas' not in sys.modules"
    )
    given = orjson.dumps(rows).decode()
    subprocess.run([sys.executable, "-c", code, str(out), given], check=True)
    late = [{"late": None}, {"late": None}, {"late": [{"a": True}, None]}]
    assert pq.read_table(out).to_pylist() == [
        row | more for row, more in zip(rows, late, strict=True)
    ]


@pytest.mark.parametrize(
    ("one", "other"), [(1, "a"), ([1], 1), ({"a": 1}, "a"), (True, 1), ([1], ["a"])]
)
def test_values_of_unlike_types_have_no_common_shape(one: object, other: object) -> None:
    with pytest.raises(UnlikeTypesError, match=" and "):
        merged(shape_of(one), shape_of(other))
