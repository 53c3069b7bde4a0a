"""The demo on the scripted engine from end to end, and the start of the command line."""

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import orjson
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.commands.demo import curl_line, winnow_command
from service.display import mark
from service.schemas import BatchBody

ROOT = Path(__file__).parents[2]


def test_the_demo_delivers_shows_rejects_and_ends_with_the_curl_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "service.cli", "demo", "--engine", "scripted"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20/20" in done.stdout
    assert ">>>" in done.stdout
    assert "held against" in done.stdout
    assert "every ledger balances" in done.stdout
    assert done.stdout.strip().splitlines()[-1] == curl_line()
    assert f"start `{sys.executable} -m service.cli serve`" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_curl_line_is_a_request_that_the_gateway_takes() -> None:
    words = shlex.split(curl_line())
    body = BatchBody.model_validate(orjson.loads(words[words.index("-d") + 1]))
    assert body.count > 0


def test_what_the_demo_says_to_type_is_the_command_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    winnow = tmp_path / "venv" / "bin" / "winnow"
    winnow.parent.mkdir(parents=True)
    winnow.touch(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", ["venv/bin/winnow", "demo"])
    assert winnow_command() == "venv/bin/winnow"
    monkeypatch.setenv("PATH", str(winnow.parent))
    assert winnow_command() == "winnow"
    monkeypatch.setattr(sys, "argv", [str(ROOT / "service" / "cli.py"), "demo"])
    assert winnow_command() == f"{sys.executable} -m service.cli"


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, service.cli; "
        "print([m for m in ('torch', 'ray', 'fastapi', 'sqlalchemy', 'transformers') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


VERBS = {command.name: command.callback for command in app.registered_commands}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_by_an_example(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert f"Example: winnow {verb}" in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_no_word_of_a_help_text_is_taken_for_markup(verb: str) -> None:
    callback = VERBS[verb]
    assert callback is not None
    options = get_type_hints(callback, include_extras=True).values()
    said = [info.help or "" for option in options for info in get_args(option)[1:]]
    for text in (inspect.getdoc(callback) or "", *said):
        assert set(re.findall(r"(?<!\\)\[/?([^]\[]*)\]", text)) <= {"bold"}


def test_overlapping_spans_are_marked_as_one() -> None:
    assert mark("abcdef", [(1, 3), (2, 4)], colour=False).plain == "a>>>bcd<<<ef"
    assert mark("abcdef", [(1, 3)], colour=True).plain == "abcdef"
