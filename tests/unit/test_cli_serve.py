"""`winnow serve`: whatever keeps it from starting is one line and an exit code."""

import contextlib
import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from workers.store import SqlStore


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "winnow.toml").write_text('port = 0\n[models.fake]\nkind = "scripted"\n')
    return tmp_path


def refused(result: Result, code: int, message: str) -> None:
    assert result.exit_code == code, result.stderr
    assert result.stderr.startswith("winnow: ") and message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def serve(*words: str) -> Result:
    return CliRunner().invoke(app, ["serve", *words])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--db", "nonsense"), 1, "the database URL can't be used"),
        (("--db", "oracle9://x/y"), 1, "the database URL can't be used"),
        (("--db", "sqlite:///no/such/folder/a.db"), 1, "unable to open"),
        (("--model", "gpt"), 2, "--model: unknown model 'gpt'; there are: fake; or name a"),
        (("--port", "70000"), 2, "port"),
        (("--config", "missing.toml"), 2, "missing.toml"),
    ],
)
def test_a_wrong_option_stops_the_start(words: tuple[str, ...], code: int, message: str) -> None:
    refused(serve(*words), code, message)


def test_the_model_may_be_a_checkpoint_folder(folder: Path) -> None:
    (folder / "my-model").mkdir()
    refused(serve("--model", "my-model", "--db", "nonsense"), 1, "the database URL can't be used")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("colour = 1", "colour: no such key"),
        ("port = ", "winnow.toml can't be read"),
        ('recipe_files = ["none.py"]', "none.py"),
        ('protect_files = ["none.txt"]', "none.txt"),
    ],
)
def test_a_mistake_in_the_configuration_stops_the_start(
    folder: Path, toml: str, message: str
) -> None:
    (folder / "winnow.toml").write_text(toml)
    refused(serve("--port", "0"), 2, message)


def test_a_database_of_a_newer_version_stops_the_start_and_stays_as_it_is(folder: Path) -> None:
    SqlStore("sqlite:///winnow.db").close()
    with contextlib.closing(sqlite3.connect("winnow.db")) as database, database:
        database.execute("UPDATE schema_version SET version = 99")
    refused(serve(), 1, "upgrade Winnow or name another database")


def test_a_file_that_is_no_database_stops_the_start(folder: Path) -> None:
    (folder / "winnow.db").write_bytes(b"quite another thing, and long enough" * 100)
    refused(serve(), 1, "not a database")


def test_a_port_that_is_taken_stops_the_start_before_the_database_is_opened(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(serve("--port", port), 2, f"can't listen on 127.0.0.1:{port}")
    assert not (folder / "winnow.db").exists()
