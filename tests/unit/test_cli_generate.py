"""`winnow generate` on the scripted engine, in this process."""

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from service.cli import app

SHEET = "Name: Danube\nKind: river\nLength: 2850 km\nMouth: the Black Sea\nContinent: Europe"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose only model is the scripted engine, and two sources."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "winnow.toml").write_text('[models.scripted]\nkind = "scripted"\n')
    rows = [{"id": "danube", "text": SHEET}, {"id": "rhine", "text": SHEET.replace("2850", "1230")}]
    (tmp_path / "sheets.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return tmp_path


def run(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["generate", *words], input=stdin)


def ask(*words: str, count: int = 2, stdin: bytes | None = None) -> Result:
    base = ("--recipe", "problem_set", "--count", str(count), "--sources", "sheets.jsonl")
    return run(*base, *words, stdin=stdin)


def test_a_pipe_gets_exactly_the_samples_as_ndjson_and_stderr_the_account() -> None:
    result = ask(count=3)
    assert result.exit_code == 0, result.stderr
    samples = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert len(samples) == 3
    assert [line["seq"] for line in samples] == sorted({line["seq"] for line in samples})
    assert "3 accepted" in result.stderr
    assert "tokens/s" in result.stderr


def test_the_account_ends_with_the_cost_and_money_can_be_the_budget(folder: Path) -> None:
    refused = ask("--max-money", "1")
    assert refused.exit_code == 2 and "price_per_engine_hour" in refused.stderr
    settings = folder / "winnow.toml"
    settings.write_text(f'price_per_engine_hour = 2.5\ncurrency = "EUR"\n{settings.read_text()}')
    result = ask("--max-money", "1")
    assert result.exit_code == 0, result.stderr
    told = result.stderr.splitlines()[-1]
    assert told.startswith("cost: ") and "grader-seconds" in told and "EUR" in told


def test_files_hold_the_samples_and_the_rejects_with_evidence(folder: Path) -> None:
    result = ask("--out", "s.jsonl", "--rejects", "r.jsonl", count=5)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert len((folder / "s.jsonl").read_bytes().splitlines()) == 5
    rejects = [orjson.loads(line) for line in (folder / "r.jsonl").read_bytes().splitlines()]
    assert all(line["reasons"] or line["error"] for line in rejects)


def test_a_shortfall_is_exit_code_3_with_the_stop_reason() -> None:
    result = ask("--max-candidates", "3", count=30)
    assert result.exit_code == 3
    assert "max_candidates" in result.stderr


def test_a_shortfall_that_must_fail_writes_no_file(folder: Path) -> None:
    words = ("--max-candidates", "3", "--on-exhausted", "fail", "--out", "s.jsonl")
    assert ask(*words, count=30).exit_code == 3
    assert not (folder / "s.jsonl").exists()


def test_resuming_a_finished_batch_writes_its_samples_again(folder: Path) -> None:
    first = ask(count=2)
    batch_id = orjson.loads(first.stdout.splitlines()[0])["batch_id"]
    assert run("--resume", batch_id, "--out", "again.jsonl").exit_code == 0
    again = (folder / "again.jsonl").read_text().splitlines()
    assert [*map(orjson.loads, again)] == [*map(orjson.loads, first.stdout.splitlines())]


def test_the_resume_command_names_the_files_that_the_run_was_given(folder: Path) -> None:
    (folder / "winnow.toml").rename(folder / "other.toml")
    (folder / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from workers.recipes.problem_set import RECIPE as SHIPPED\n"
        'RECIPE = replace(SHIPPED, name="mine")\n'
    )
    own = ("--config", "other.toml", "--recipe-file", "mine.py", "--db", "sqlite:///my.db")
    first = ask(*own, "--recipe", "mine", "--model", "scripted", "--out", "s.jsonl")
    assert first.exit_code == 0, first.stderr
    [line] = [line for line in first.stderr.splitlines() if line.startswith("resume: ")]
    first_lines = (folder / "s.jsonl").read_text().splitlines()
    (folder / "s.jsonl").unlink()
    again = CliRunner().invoke(app, shlex.split(line.removeprefix("resume: winnow ")))
    assert again.exit_code == 0, again.stderr
    again_lines = (folder / "s.jsonl").read_text().splitlines()
    assert [*map(orjson.loads, again_lines)] == [*map(orjson.loads, first_lines)]


def test_samples_can_be_written_as_parquet(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert ask("--out", "s.parquet").exit_code == 0
    assert parquet.read_table(folder / "s.parquet").num_rows == 2


def test_sources_come_from_stdin_too() -> None:
    stdin = orjson.dumps(SHEET)
    result = run("--recipe", "essay", "--count", "1", "--sources", "-", stdin=stdin)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\x00\x01", "binary"),
        ("a.txt", b"caf\xe9", "UTF-8"),
        ("a.txt", b"  \n", "empty"),
        ("a.jsonl", b"", "no sources"),
        ("a.jsonl", b'"one"\n{"txt": 1}', "line 2"),
        ("a.jsonl", b"{", "line 1: not JSON"),
        ("a.jsonl", b'{"id":"x","text":"a"}\n{"id":"x","text":"b"}', "occurs twice"),
        ("a.txt", b"x" * 200_001, "200001 characters"),
        ("a.csv", b"a,b", "can't tell"),
    ],
)
def test_unusable_sources_are_told_in_one_line_with_exit_code_2(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    result = run("--recipe", "essay", "--count", "1", "--sources", name)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--recipe", "esay"), "there are: essay"),
        (("--model", "gpt"), "unknown model"),
        (("--count", "0"), "count"),
        (("--count", "1000000"), "count"),
        (("--sources", "missing.jsonl"), "no such file"),
        (("--threshold", "form"), "write it as"),
        (("--out", "samples.csv"), "format"),
        (("--resume", "batch_nope"), "batch_nope"),
        (("--url", "http://127.0.0.1:9"), "winnow serve"),
    ],
)
def test_a_wrong_option_is_named(words: tuple[str, ...], message: str) -> None:
    result = ask(*words)
    assert result.exit_code == (1 if words[0] == "--url" else 2)
    assert message in result.stderr


def test_ctrl_c_keeps_what_was_admitted_and_says_how_to_go_on(folder: Path) -> None:
    (folder / "winnow.toml").write_text(
        '[models.scripted]\nkind = "scripted"\nlatency_s = 0.2\nconcurrency = 1\n'
    )
    command = [sys.executable, "-m", "service.cli", "generate", "--recipe", "problem_set"]
    options = ["--count", "500", "--sources", "sheets.jsonl", "--out", "s.jsonl"]
    process = subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("resume: "):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert "--resume batch_" in told
    assert (folder / "s.jsonl").exists()
    assert not list(folder.glob(".s.jsonl*"))
