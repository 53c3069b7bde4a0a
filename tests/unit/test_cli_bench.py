"""`winnow bench`: lists the scripts behind the figures and runs one as `python -m` would."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["bench", *words])


def test_the_scripts_are_listed_with_what_they_measure() -> None:
    listed = dict(line.split(maxsplit=1) for line in run().stdout.splitlines())
    assert listed["truth"].startswith("How many samples are wrong before the gate")
    assert "__init__" not in listed and "novelty_texts" not in listed


def test_a_script_is_given_its_options_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "truth.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    assert run("truth", "--", "--help").exit_code == 0
    assert "candidates per recipe" in capfd.readouterr().out
    assert run("truth", "--", "--cuont", "3").exit_code == 2
    assert "--cuont" in capfd.readouterr().err


def test_a_name_that_is_none_is_told_with_those_there_are() -> None:
    result = run("speed")
    assert result.exit_code == 2 and "no benchmark 'speed'; there are: aborts, " in result.stderr
