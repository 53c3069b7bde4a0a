"""`winnow protect`: files in, sets listed and forgotten, mistakes told in one line."""

from pathlib import Path

import orjson
import pyarrow
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from service.cli import app

ITEMS = [
    {"id": "q1", "question": "How many legs do three spiders and four ants have altogether?"},
    {
        "id": "q2",
        "question": "A rope of ninety metres is cut into six parts; how long is one?",
    },
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "winnow.toml").write_text("[graders.novelty]\nsemantic = false\n")
    (tmp_path / "exam.jsonl").write_bytes(b"\n".join(map(orjson.dumps, ITEMS)))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["protect", *words])


def test_a_set_is_protected_listed_and_forgotten() -> None:
    made = run("exam.jsonl", "--field", "question")
    assert made.exit_code == 0, made.stderr
    assert "exam: 2 items, compared by words" in made.stderr
    assert "rephrased items will not be found: novelty.semantic is off" in made.stderr
    assert run("--list").stdout == "exam: 2 items, compared by words\n"
    assert run("--remove", "exam").exit_code == 0
    assert "nothing is protected" in run("--list").stderr


def test_the_database_is_named_as_elsewhere_and_by_its_old_option_too() -> None:
    assert run("exam.jsonl", "--field", "question", "--db", "sqlite:///a.db").exit_code == 0
    assert run("--list", "--database", "sqlite:///a.db").stdout.startswith("exam: 2 items")
    assert "--database" not in run("--help").stdout and "--db" in run("--help").stdout


def test_a_name_that_is_taken_is_refused_and_nothing_is_written() -> None:
    run("exam.jsonl", "--field", "question")
    again = run("exam.jsonl", "--field", "question")
    assert again.exit_code == 1
    assert "exam is protected already" in again.stderr
    assert run("exam.jsonl", "--field", "question", "--name", "exam-2").exit_code == 0
    assert len(run("--list").stdout.splitlines()) == 2


def test_lines_of_a_text_file_are_items(folder: Path) -> None:
    (folder / "exam.txt").write_text("What is the third item?\n\nAnd what is the fourth one?\n")
    assert "exam: 2 items" in run("exam.txt").stderr


def test_parquet_files_are_read(folder: Path) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(ITEMS), folder / "exam.parquet")
    assert "exam: 2 items" in run("exam.parquet", "--field", "question").stderr
    (folder / "broken.parquet").write_bytes(b"PAR1 not at all")
    assert "is no Parquet file" in run("broken.parquet").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name one thing to do"),
        (("exam.jsonl", "--list"), "name one thing to do"),
        (
            ("exam.jsonl",),
            "no text under 'text'; name the field by --field; there are: id",
        ),
        (("nothing.jsonl",), "there is no such file"),
        (("exam.pdf",), "can't tell what this is"),
        (("empty.jsonl",), "no items in it"),
        (("list.jsonl",), "neither an object nor a string"),
        (("blank.jsonl",), "its text is empty"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_protected(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    (folder / "exam.pdf").write_text("x")
    (folder / "empty.jsonl").write_text("\n")
    (folder / "list.jsonl").write_text("[1]\n")
    (folder / "blank.jsonl").write_text('{"text": " "}\n')
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert run("--list").stdout == ""


def test_a_set_that_is_not_there_is_named() -> None:
    result = run("--remove", "exam")
    assert result.exit_code == 1
    assert "nothing is protected under the name 'exam'" in result.stderr
