"""The demo on the scripted engine from end to end, and the start of the command line."""

import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.commands.demo import curl_line
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
    assert list(tmp_path.iterdir()) == []


def test_the_curl_line_is_a_request_that_the_gateway_takes() -> None:
    words = shlex.split(curl_line())
    body = BatchBody.model_validate(orjson.loads(words[words.index("-d") + 1]))
    assert body.count > 0


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, service.cli; "
        "print([m for m in ('torch', 'ray', 'fastapi', 'sqlalchemy', 'transformers') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("verb", ["demo", "generate", "grade", "serve", "train-tiny"])
def test_every_verb_teaches_by_an_example(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert f"Example: winnow {verb}" in result.stdout


def test_overlapping_spans_are_marked_as_one() -> None:
    assert mark("abcdef", [(1, 3), (2, 4)], colour=False).plain == "a>>>bcd<<<ef"
    assert mark("abcdef", [(1, 3)], colour=True).plain == "abcdef"
