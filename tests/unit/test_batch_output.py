"""The output folder belongs to one job, and every part in it is whole."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet
import pytest

from graders.types import Evidence
from workers.dataset_card import dataset_card
from workers.errors import ExportError
from workers.output_folder import Counts, OutputFolder


def row(name: str, outcome: str) -> dict[str, Any]:
    return {"id": name, "outcome": outcome, "text": name, "reasons": [], "grades": []}


def read_table(folder: OutputFolder) -> list[dict[str, Any]] | None:
    filesystem, root = fsspec.core.url_to_fs(folder.url)
    if not filesystem.exists(f"{root}/data/samples.parquet"):
        return None
    with filesystem.open(f"{root}/data/samples.parquet", "rb") as stream:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(stream).to_pylist()
    return rows


ROWS = [row("a", "accepted"), row("b", "rejected"), row("c", "accepted"), row("d", "failed")]


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> OutputFolder:
    name = request.node.name.replace("[", "-").replace("]", "")
    return OutputFolder(str(tmp_path / "out") if request.param == "local" else f"memory://{name}")


def test_a_part_written_twice_counts_once(folder: OutputFolder) -> None:
    assert folder.finished_parts() == set() and folder.counts() == Counts()
    for _ in range(2):
        assert folder.write_part("part-1", ROWS) == Counts(2, 1, 1)
    folder.write_part("part-2", ROWS[:1])
    assert folder.finished_parts() == {"part-1", "part-2"}
    assert folder.counts() == Counts(3, 1, 1)


def test_a_folder_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    OutputFolder(str(tmp_path / "run[1]")).write_part("part-1", ROWS)
    again = OutputFolder(str(tmp_path / "run[1]"))
    assert again.finished_parts() == {"part-1"} and again.counts() == Counts(2, 1, 1)


def test_a_second_try_with_another_outcome_leaves_nothing_of_the_first(
    folder: OutputFolder, tmp_path: Path
) -> None:
    folder.write_part("part-1", ROWS)
    assert folder.write_part("part-1", [row("a", "rejected")]) == Counts(0, 1, 0)
    filesystem, root = fsspec.core.url_to_fs(folder.url)
    assert not filesystem.exists(f"{root}/data/part-1.parquet")


def test_what_passed_and_the_rest_are_apart_and_have_one_schema(tmp_path: Path) -> None:
    OutputFolder(str(tmp_path / "out")).write_part("part-1", ROWS)
    data = pyarrow.parquet.read_table(tmp_path / "out/data/part-1.parquet")
    rejects = pyarrow.parquet.read_table(tmp_path / "out/rejects/part-1.parquet")
    assert data["id"].to_pylist() == ["a", "c"] and rejects["id"].to_pylist() == ["b", "d"]
    assert data.schema == rejects.schema
    evidence = data.schema.field("grades").type.value_type.field("evidence").type.value_type
    assert {field.name for field in evidence} == {item.name for item in fields(Evidence)}
    assert not list((tmp_path / "out").rglob(".*"))


def test_another_job_may_not_write_into_the_same_folder(folder: OutputFolder) -> None:
    folder.claim("mine", {})
    folder.claim("mine", {})
    with pytest.raises(ExportError, match="another configuration"):
        folder.claim("another", {})


def test_a_folder_with_other_files_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="is not empty; name a new folder"):
        OutputFolder(str(tmp_path)).claim("key", {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="can't write"):
        OutputFolder(str(tmp_path / "file" / "out")).claim("key", {})


def test_rows_of_any_shape_arrive_whole_or_not_at_all(folder: OutputFolder) -> None:
    with pytest.raises(RuntimeError), folder.export("data/samples.parquet") as export:
        export.write({"a": 1})
        raise RuntimeError
    assert read_table(folder) is None
    with folder.export("data/samples.parquet") as export:
        export.write({"a": 1})
    assert read_table(folder) == [{"a": 1}]


def test_datasets_reads_what_the_card_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = OutputFolder(str(tmp_path / "out"))
    folder.write_part("part-1", ROWS)
    folder.write_part("part-2", ROWS[1:2])
    folder.write("README.md", dataset_card("t", folder.counts(), {"recipe": "essay"}).encode())
    assert (
        "5 candidates = 2 accepted + 2 rejected + 1 failed"
        in (tmp_path / "out/README.md").read_text()
    )
    passed = datasets.load_dataset(str(tmp_path / "out"), split="train")
    rejects = datasets.load_dataset(str(tmp_path / "out"), "rejects", split="train")
    assert passed["id"][:] == ["a", "c"] and rejects["id"][:] == ["b", "d", "b"]
