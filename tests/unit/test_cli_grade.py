"""`winnow grade`: rows in, rows out, whole files only."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from service.cli import app

SOURCE = "Paris is the capital of France. It has 2 million people."
ROWS = [
    {"id": "good", "text": "Paris is the capital of France.", "source": SOURCE},
    {"id": "wrong", "text": "Paris has 7 million people.", "source": SOURCE},
    {"id": "again", "text": "Paris is the capital of France.", "source": SOURCE},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_bytes(b"\n\n".join(map(orjson.dumps, ROWS)))
    return tmp_path


def run(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["grade", *words], input=stdin)


def test_results_come_in_the_order_of_the_rows_and_a_repeat_is_not_new(folder: Path) -> None:
    result = run("--in", "rows.jsonl", "--out", "graded.jsonl")
    assert result.exit_code == 0, result.stderr
    graded = [orjson.loads(line) for line in (folder / "graded.jsonl").read_bytes().splitlines()]
    assert [(row["id"], row["verdict"]) for row in graded] == [
        ("good", "accepted"),
        ("wrong", "rejected"),
        ("again", "rejected"),
    ]
    assert "3 rows = 1 accepted + 2 rejected" in result.stderr


def test_stdin_to_stdout_with_selected_graders() -> None:
    result = run("--graders", "form", stdin=orjson.dumps(ROWS[1]))
    assert result.exit_code == 0, result.stderr
    row = orjson.loads(result.stdout)
    assert [grade["grader"] for grade in row["grades"]] == ["form"]


def test_protected_texts_are_not_repeated(folder: Path) -> None:
    (folder / "secret.txt").write_text(ROWS[0]["text"])
    result = run("--in", "rows.jsonl", "--graders", "novelty", "--protect", "secret.txt")
    assert orjson.loads(result.stdout.splitlines()[0])["verdict"] == "rejected"


def test_a_bad_row_is_named_by_its_line_and_nothing_is_written(folder: Path) -> None:
    with (folder / "rows.jsonl").open("ab") as rows:
        rows.write(b'\n{"id": "x"}')
    (folder / "graded.jsonl").write_text("old")
    result = run("--in", "rows.jsonl", "--out", "graded.jsonl")
    assert result.exit_code == 2
    assert "rows.jsonl, line 6: " in result.stderr
    assert (folder / "graded.jsonl").read_text() == "old"
    assert {path.name for path in folder.iterdir()} == {"rows.jsonl", "graded.jsonl"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x00\x01", "binary"), (b'{"id": "caf\xe9"}', "UTF-8"), (b"{", "line 1: not JSON")],
)
def test_a_file_that_holds_no_rows_is_told_in_one_line(
    folder: Path, content: bytes, message: str
) -> None:
    (folder / "rows.jsonl").write_bytes(content)
    result = run("--in", "rows.jsonl")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--graders", "tone"), "tone"),
        (("--model", "x", "--no-model"), "exclude"),
        (("--model", "nope"), "unknown model"),
    ],
)
def test_a_wrong_option_is_named(words: tuple[str, ...], message: str) -> None:
    result = run("--in", "rows.jsonl", *words)
    assert result.exit_code == 2
    assert message in result.stderr
