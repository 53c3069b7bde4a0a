"""Texts are read from every format, and a row that can't be used is named with its column."""

import json
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow
import pyarrow.parquet
import pytest

from graders.types import Source
from workers.batch_config import InputConfig
from workers.errors import SpecError
from workers.inputs import list_pieces, read_piece, read_sources

ROWS = [{"id": f"r{n}", "text": f"Text number {n}, naïve"} for n in range(5)]
SOURCES = tuple(Source(row["id"], row["text"]) for row in ROWS)


def as_json_lines(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in ROWS))
    return path


def as_csv(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text("id,text\n" + "".join(f'{r["id"]},"{r["text"]}"\n' for r in ROWS))
    return path


def as_parquet(folder: Path) -> Path:
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=2)
    return path


def as_texts(folder: Path) -> Path:
    for row in ROWS:
        (folder / f"{row['id']}.txt").write_text(row["text"])
    (folder / "_SUCCESS.txt").write_text("a mark of another program")
    return folder


@pytest.mark.parametrize("write", [as_json_lines, as_csv, as_parquet, as_texts])
def test_every_format_gives_the_same_sources(tmp_path: Path, write: Callable[..., Path]) -> None:
    assert read_sources(InputConfig(path=str(write(tmp_path)))) == SOURCES


def test_a_folder_a_glob_and_a_url_name_many_files(tmp_path: Path) -> None:
    as_json_lines(tmp_path)
    for path in (f"{tmp_path}", f"{tmp_path}/*.jsonl", f"file://{tmp_path}/rows.jsonl"):
        assert read_sources(InputConfig(path=path)) == SOURCES


def test_a_file_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    as_json_lines(tmp_path)
    (tmp_path / "rows.jsonl").rename(tmp_path / "rows[1].jsonl")
    assert read_sources(InputConfig(path=f"{tmp_path}/rows[1].jsonl")) == SOURCES


def test_storage_that_fsspec_knows_is_read_by_its_url() -> None:
    with fsspec.open("memory://bucket/rows.jsonl", "wt") as stream:
        stream.write("\n".join(json.dumps(row) for row in ROWS))
    assert read_sources(InputConfig(path="memory://bucket")) == SOURCES


def test_each_row_group_of_parquet_is_a_piece_and_rows_count_through(tmp_path: Path) -> None:
    pieces = list_pieces(InputConfig(path=str(as_parquet(tmp_path))))
    assert len(pieces) == 3
    places = [placed.place for piece in pieces for placed in read_piece(piece)]
    assert places == [f"rows.parquet:{n}" for n in range(1, 6)]


def test_a_folder_of_parquet_is_a_dataset_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    as_parquet(tmp_path)
    config = InputConfig(dataset=str(tmp_path), split="train[:3]")
    assert read_sources(config) == SOURCES[:3]


def test_without_an_id_the_place_of_the_row_serves(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "one"}\n{"body": "two"}')
    sources = read_sources(InputConfig(path=str(tmp_path / "a.jsonl"), text="body"))
    assert [source.id for source in sources] == ["a.jsonl:1", "a.jsonl:2"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", '{"text": "x"}\n{"body": "x"}', "a.jsonl:2: there is no column 'text'"),
        ("a.jsonl", '{"text": 3}', "a.jsonl:1: column 'text' must be text, not int"),
        ("a.jsonl", '{"text": " "}', "a.jsonl:1: column 'text' is empty"),
        ("a.jsonl", '{"text": "x", "id": [1]}', "a.jsonl:1: column 'id' must be a text or"),
        ("a.jsonl", '{"text": "x"}\n{', "a.jsonl:2: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl:1: not an object but list"),
        ("a.jsonl", '{"id":1,"text":"x"}\n{"id":1,"text":"y"}', "the id '1' occurs twice"),
        ("a.csv", "id,text\n1\n", "a.csv:1: does not have the 2 fields of the header"),
        ("a.parquet", "no parquet", "a.parquet: can't be read"),
        ("a.xml", "<a/>", "can't tell what this is; end its name in .jsonl"),
        ("a.jsonl", "", "a.jsonl: no rows in it"),
    ],
)
def test_a_bad_row_is_named_with_its_place_and_column(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SpecError) as raised:
        read_sources(InputConfig(path=str(tmp_path / name)))
    assert told in str(raised.value)


def test_text_that_is_not_utf_8_says_how_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("naïve".encode("latin1"))
    with pytest.raises(SpecError, match=r"is not UTF-8 \(byte 2\); convert it"):
        read_sources(InputConfig(path=str(tmp_path / "a.txt")))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no such file or folder"):
        read_sources(InputConfig(path=str(tmp_path / "none.jsonl")))
    with pytest.raises(SpecError, match="nothing to read in it"):
        read_sources(InputConfig(path=str(tmp_path)))
    with pytest.raises(SpecError, match="can't be read"):
        read_sources(InputConfig(path="nosuchscheme://bucket/a.jsonl"))
