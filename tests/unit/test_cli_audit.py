"""`winnow audit`: a draw that is kept, labels from a file or a person, a bound."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from service.cli import app

CONFIG = '[models.fake]\nkind = "scripted"\n[graders.consistency]\njudge = false\n'
SHEET = "Name: Aldra\nKind: river\nLength: 412 km\nSource: Mount Voss\nMouth: Lake Teal"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a database, and the id of its only batch, which has six samples."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "winnow.toml").write_text(CONFIG)
    (folder / "aldra.txt").write_text(SHEET)
    words = ["generate", "--recipe", "problem_set", "--count", "6"]
    words += ["--sources", str(folder / "aldra.txt"), "--out", str(folder / "out.jsonl")]
    words += ["--db", f"sqlite:///{folder}/winnow.db", "--config", str(folder / "winnow.toml")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    first = (folder / "out.jsonl").read_bytes().splitlines()[0]
    return folder, orjson.loads(first)["batch_id"]


@pytest.fixture
def batch(finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The batch, in a copy of its database that this test may change."""
    folder, batch_id = finished
    for name in ("winnow.db", "winnow.toml"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return batch_id


def run(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["audit", *words], input=stdin)


def test_on_a_pipe_the_draw_comes_as_lines_and_labels_go_back_by_file(
    batch: str, tmp_path: Path
) -> None:
    drawn = run(batch, "--draw", "4", "--seed", "5")
    assert drawn.exit_code == 0, drawn.stderr
    samples = [orjson.loads(line) for line in drawn.stdout.splitlines()]
    assert len(samples) == 4 and all(sample["text"] and sample["source"] for sample in samples)
    assert "0 of 4 drawn are labelled" in drawn.stderr
    labels = [{"seq": sample["seq"], "label": "correct"} for sample in samples]
    (tmp_path / "labels.jsonl").write_bytes(b"\n".join(map(orjson.dumps, labels)))
    done = run(batch, "--labels", "labels.jsonl", "--confidence", "0.8")
    assert done.exit_code == 0, done.stderr
    assert "4 of 4 drawn are labelled, 0 of them wrong" in done.stderr
    assert "by the 4 planned" in done.stderr
    again = run(batch)
    assert [orjson.loads(line)["seq"] for line in again.stdout.splitlines()] == [
        sample["seq"] for sample in samples
    ]


def test_a_person_may_go_back_stop_and_go_on(batch: str) -> None:
    first = run(batch, "--ask", "--draw", "4", stdin="y\nn\nb\ny\nq\n")
    assert first.exit_code == 0, first.stderr
    assert "2 of 4 drawn are labelled, 0 of them wrong" in first.stderr
    assert "sample 1 of 4" in first.stderr and "source" in first.stderr
    rest = run(batch, "--ask", stdin="what?\nn\ny\n")
    assert "sample 3 of 4" in rest.stderr and "sample 2 of 4" not in rest.stderr
    assert "4 of 4 drawn are labelled, 1 of them wrong" in rest.stderr


def test_the_end_of_the_input_stops(batch: str) -> None:
    assert "1 of 3 drawn" in run(batch, "--ask", "--draw", "3", stdin="y\n").stderr


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (("none",), None, "no batch 'none'"),
        (("{batch}", "--db", "sqlite:///none.db"), None, "there is no database none.db"),
        (("{batch}", "--draw", "7"), None, "has 6 samples"),
        (("{batch}", "--confidence", "95"), None, "between 0 and 1"),
        (("{batch}", "--labels", "-"), "", "there are no labels"),
        (("{batch}", "--labels", "-"), "{}", "line 1: has no 'seq'"),
        (("{batch}", "--labels", "-"), '{"seq": 1}', "line 1: has no label; write"),
        (("{batch}", "--labels", "-"), '{"seq": 9999, "correct": true}', "was not drawn"),
        (("{batch}", "--labels", "missing.jsonl"), None, "there is no such file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    batch: str, words: tuple[str, ...], stdin: str | None, message: str
) -> None:
    result = run(*(word.format(batch=batch) for word in words), stdin=stdin)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
