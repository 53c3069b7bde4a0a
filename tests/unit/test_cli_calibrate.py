"""`winnow calibrate`: labelled rows in, a calibration out, or one line that says what is wrong."""

import shlex
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from graders.calibration.scored_set import read_scored_set
from service.certificates import grading_by
from service.cli import app
from service.settings import load_settings

CONFIG = """
[models.fake]
kind = "scripted"
[graders.consistency]
judge = false
"""


def labelled(number: int, **fields: Any) -> dict[str, Any]:
    """A text about a river of its own; every third states another length."""
    wrong = number % 3 == 0
    length = 1000 + 7 * number
    return {
        "id": f"r{number}",
        "source_id": f"s{number}",
        "source": f"Name: River {number}\nKind: river\nLength: {length} km\nMouth: Lake {number}x",
        "text": f"The length of River {number} is {length + wrong} km.",
        "label": "inconsistent" if wrong else "consistent",
        "model": "fake",
        "spans": [],
        **fields,
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "winnow.toml").write_text(CONFIG)
    write(tmp_path / "rows.jsonl", [labelled(n) for n in range(90)])
    return tmp_path


def write(path: Path, rows: list[Any]) -> None:
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["calibrate", "--in", "rows.jsonl", *words])


def test_rows_are_graded_and_the_file_certifies(folder: Path) -> None:
    result = run("--out", "c.json", "--alpha", "0.01", "--alpha", "0.1", "--plot", "c.png")
    assert result.exit_code == 0, result.stderr
    scored = read_scored_set(folder / "c.json")
    assert scored.name == "rows" and scored.generators == ("fake",)
    assert len(scored.texts) == 90 and len({text.source for text in scored.texts}) == 90
    assert "90 texts of 90 sources, 30 of them wrong" in result.stderr
    assert "refused" in result.stderr and "best bound" in result.stderr and "10.0%" in result.stderr
    assert (folder / "c.png").read_bytes().startswith(b"\x89PNG")


def test_a_batch_of_the_command_line_gets_its_certificate(folder: Path) -> None:
    (folder / "winnow.toml").write_text(CONFIG.replace("false", "true"))
    assert run("--model", "fake", "--out", "c.json").exit_code == 0
    source = "Name: Aldra\nKind: river\nLength: 412 km\nSource: Mount Voss\nMouth: Lake Teal"
    (folder / "a.txt").write_text(source)
    words = "generate --recipe essay --count 1 --sources a.txt --out o.jsonl --max-error-rate"
    asked = [*words.split(), "0.1", "--calibration", "c.json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.stderr
    assert "certificate: at 95.0% confidence at most 10.0%" in result.stderr
    refused = CliRunner().invoke(app, [*words.split(), "0.001", "--calibration", "c.json"])
    assert refused.exit_code == 2 and "the best bound that can be given is" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def essay(number: int) -> dict[str, Any]:
    """The text in the shape of the recipe `essay`."""
    row = labelled(number)
    text = f"Thesis: River {number} is a river.\nEssay: {row['text']}"
    return {**row, "text": text, "label": "right" if number % 3 else "wrong"}


def call(words: str) -> Result:
    """A command line as printed, of which the first word is `winnow`."""
    return CliRunner().invoke(app, shlex.split(words)[1:])


def test_the_two_commands_of_the_readme_make_a_certificate(folder: Path) -> None:
    (folder / "winnow.toml").write_text('[models.fake]\nkind = "scripted"\n')
    write(folder / "labelled.jsonl", [essay(n) for n in range(150)])
    (folder / "notes").mkdir()
    for number in range(40):
        (folder / "notes" / f"{number}.txt").write_text(labelled(number)["source"])
    made = call("winnow calibrate --in labelled.jsonl --recipe essay --out essay.json")
    assert made.exit_code == 0, made.stderr
    assert "consistency asks fake, as in batches that name no model" in made.stderr
    result = call(
        """winnow generate --recipe essay --count 100 --sources notes/ --out essays.jsonl \
        --calibration essay.json --max-error-rate 0.05"""
    )
    assert result.exit_code == 0, result.stderr
    assert "certificate: at 95.0% confidence at most 5.0% of what passes is wrong" in result.stderr
    assert len((folder / "essays.jsonl").read_bytes().splitlines()) == 100


def test_a_model_is_asked_only_where_batches_would_and_nobody_opts_out(folder: Path) -> None:
    write(folder / "rows.jsonl", [essay(n) for n in range(90)])
    recipe = ("--recipe", "essay", "--out", "c.json")

    def asked(*words: str) -> str:
        assert run(*words).exit_code == 0
        return read_scored_set(folder / "c.json").grading.model

    assert asked(*recipe) == ""
    (folder / "winnow.toml").write_text(CONFIG.replace("false", "true"))
    assert asked(*recipe) == "scripted"
    assert asked(*recipe, "--no-model") == asked("--out", "c.json") == ""
    assert "asked none here" in " ".join(run(*recipe, "--no-model").stderr.split())
    both = run(*recipe, "--no-model", "--model", "fake")
    assert both.exit_code == 2 and "exclude each other" in both.stderr


def test_of_rows_that_come_graded_nobody_says_that_the_model_was_asked(folder: Path) -> None:
    (folder / "winnow.toml").write_text(CONFIG.replace("false", "true"))
    grading = grading_by(load_settings(), "consistency", None)
    grades = [{"grader": "consistency", "version": grading.version, "score": 0.9}]
    write(folder / "rows.jsonl", [{**essay(n), "grades": grades} for n in range(90)])
    assert run("--recipe", "essay", "--out", "c.json").exit_code == 0
    assert read_scored_set(folder / "c.json").grading == grading


def test_a_row_that_cannot_be_graded_is_named_before_any_is(folder: Path) -> None:
    rows = [labelled(n) for n in range(90)]
    write(folder / "rows.jsonl", [*rows, labelled(90, question=7)])
    result = run()
    assert result.exit_code == 2
    assert "rows.jsonl, line 91: field 'question' must be a string" in result.stderr
    assert "line 1: unknown recipe 'poem'" in run("--recipe", "poem").stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--out", "c.json"), "--out can't go with --url"),
        (("--plot", "c.png", "--out", "c.json"), "--out, --plot can't go with --url"),
        (("--alpha", "0.1", "--seed", "3", "--no-model"), "--alpha, --seed, --no-model can't"),
        (("--drop-contradictions",), "no answer from http://127.0.0.1:9"),
    ],
)
def test_what_a_gateway_has_no_use_for_is_refused_in_one_line(
    folder: Path, words: tuple[str, ...], named: str
) -> None:
    result = run("--url", "http://127.0.0.1:9", "--recipe", "essay", *words)
    assert result.exit_code == (1 if "no answer" in named else 2)
    assert named in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert not (folder / "c.json").exists() and not (folder / "c.png").exists()
    alone = run("--url", "http://127.0.0.1:9")
    assert alone.exit_code == 2 and "--url needs --recipe" in alone.stderr


def test_a_set_whose_rows_name_no_writer_is_told_what_that_costs(folder: Path) -> None:
    write(folder / "rows.jsonl", [labelled(n, model=None) for n in range(90)])
    assert "certificates will say that they assume it" in " ".join(run().stderr.split())


def test_results_of_grade_are_not_graded_again(folder: Path) -> None:
    graded = CliRunner().invoke(
        app, ["grade", "--in", "plain.jsonl", "--out", "graded.jsonl", "--graders", "consistency"]
    )
    assert graded.exit_code == 2
    rows = [labelled(n) for n in range(90)]
    write(folder / "plain.jsonl", [{k: row[k] for k in ("id", "text", "source")} for row in rows])
    words = "grade --in plain.jsonl --out graded.jsonl --graders consistency --no-model"
    assert CliRunner().invoke(app, words.split()).exit_code == 0
    results = [orjson.loads(line) for line in (folder / "graded.jsonl").read_bytes().splitlines()]
    joined = [
        {**result, "source_id": row["source_id"], "wrong": row["label"] == "inconsistent"}
        for result, row in zip(results, rows, strict=True)
    ]
    assert run("--out", "graded-anew.json").exit_code == 0
    write(folder / "rows.jsonl", joined)
    assert run("--out", "as-given.json").exit_code == 0
    anew, given = (read_scored_set(folder / f"{n}.json") for n in ("graded-anew", "as-given"))
    assert [text.score for text in anew.texts] == [text.score for text in given.texts]
    write(folder / "rows.jsonl", [{**row, "grades": []} for row in joined])
    assert "has no grade by consistency" in run().stderr
    joined[0]["grades"][0]["version"] = "0"
    write(folder / "rows.jsonl", joined)
    assert "was graded by consistency version 0" in run().stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no rows"),
        ([labelled(n) for n in range(6)], "6 sources are too few: 18 sources are the least"),
        ([labelled(n, label="correct") for n in range(90)], "every text is labelled right"),
        ([labelled(n, label="wrong") for n in range(90)], "every text is labelled wrong"),
        ([{**labelled(1), "label": "so so"}], "rows.jsonl, line 1: has no label; write"),
        ([labelled(n, source_id="one", source=None) for n in range(90)], "90 rows of 1 sources"),
        (
            [labelled(1), labelled(1, id="again", label="inconsistent")],
            "--drop-contradictions",
        ),
        ([labelled(n, grades=[]) if n else labelled(n) for n in range(90)], "give all or none"),
    ],
)
def test_a_set_that_cannot_serve_is_told_in_one_line_and_nothing_is_written(
    folder: Path, rows: list[Any], message: str
) -> None:
    write(folder / "rows.jsonl", rows)
    result = run("--out", "c.json")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (folder / "c.json").exists()


def test_a_file_that_is_not_json_and_options_out_of_range_are_named(folder: Path) -> None:
    assert "between 0 and 1" in run("--alpha", "5").stderr
    assert "unknown grader 'tone'" in run("--grader", "tone").stderr
    assert "depends on what was admitted" in run("--grader", "novelty").stderr
    assert "unknown model" in run("--model", "nope").stderr
    (folder / "rows.jsonl").write_text("text,label\n")
    result = run()
    assert result.exit_code == 2 and "line 1: not JSON" in result.stderr
