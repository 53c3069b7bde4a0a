"""`winnow export`: what a batch holds, in a file, on a pipe or on the Hub, after its run."""

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from service.cli import app

ROOT = Path(__file__).parents[2]
CONFIG = '[models.fake]\nkind = "scripted"\n'
SHEET = "Name: Aldra\nKind: river\nLength: 412 km\nSource: Mount Voss\nMouth: Lake Teal"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of one batch, and the files that `winnow generate` made of it."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "winnow.toml").write_text(CONFIG)
    (folder / "aldra.txt").write_text(SHEET)
    words = ["generate", "--recipe", "problem_set", "--count", "12"]
    words += ["--sources", str(folder / "aldra.txt"), "--out", str(folder / "s.jsonl")]
    words += ["--rejects", str(folder / "r.jsonl"), "--config", str(folder / "winnow.toml")]
    result = CliRunner().invoke(app, [*words, "--db", f"sqlite:///{folder}/winnow.db"])
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def batch(finished: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of that batch; its database is the configured one."""
    monkeypatch.chdir(finished)
    batch_id: str = rows(finished / "s.jsonl")[0]["batch_id"]
    return batch_id


def rows(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["export", *words])


def test_samples_and_rejects_are_those_that_generate_wrote(batch: str, tmp_path: Path) -> None:
    samples, rejects = tmp_path / "again.jsonl", tmp_path / "rejects.jsonl"
    done = run(batch, "--out", str(samples))
    assert done.exit_code == 0, done.stderr
    assert done.stderr == f"{batch} (completed): 12 samples\n"
    assert rows(samples) == rows(Path("s.jsonl"))
    assert run(batch, "--out", str(rejects), "--rejects").exit_code == 0
    assert rows(rejects) == sorted(rows(Path("r.jsonl")), key=lambda row: row["seq"]) != []
    assert {path.name for path in tmp_path.iterdir()} == {"again.jsonl", "rejects.jsonl"}


def test_without_a_file_they_come_as_lines_and_a_file_may_be_parquet(
    batch: str, tmp_path: Path
) -> None:
    piped = run(batch).stdout.splitlines()
    assert [orjson.loads(line) for line in piped] == rows(Path("s.jsonl"))
    assert run(batch, "--out", str(tmp_path / "s.parquet")).exit_code == 0
    table = pyarrow.parquet.read_table(tmp_path / "s.parquet")
    assert table["text"].to_pylist() == [row["text"] for row in rows(Path("s.jsonl"))]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none",), "no batch 'none'"),
        (("{batch}", "--out", "s.csv"), "format"),
        (("{batch}", "--db", "sqlite:///none.db"), "there is no database none.db"),
        (("{batch}", "--db", "sqlite:///a.db", "--url", "http://x"), "--db is for this machine"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    batch: str, words: tuple[str, ...], message: str
) -> None:
    result = run(*(word.format(batch=batch) for word in words))
    assert result.exit_code == 2
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert not Path("none.db").exists()


class _Hub(BaseHTTPRequestHandler):
    """As much of the Hub as a push asks for; keeps what it was asked and the files it was sent."""

    asked: list[str]
    made: dict[str, Any]
    files: dict[str, bytes]

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length", 0))
        body = self.rfile.read(size)
        self.asked.append(self.path)
        if self.path == "/api/repos/create":
            self.made.update(orjson.loads(body))
            self._answer({"url": f"http://{self.headers['host']}/datasets/org/rivers"})
        elif "/preupload/" in self.path:
            asked = orjson.loads(body)["files"]
            self._answer({"files": [{**file, "uploadMode": "regular", "shouldIgnore": False}
                                    for file in asked]})  # fmt: skip
        elif "/commit/" in self.path:
            lines = [orjson.loads(line) for line in body.splitlines()]
            for line in lines:
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer(
                {
                    "commitUrl": "https://huggingface.co/datasets/org/rivers/commit/1",
                    "commitOid": "1" * 40,
                    "success": True,
                }
            )
        else:
            self._answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self._answer([] if "/tree/" in self.path else {"id": "org/rivers", "siblings": []})

    def _answer(self, what: Any) -> None:
        content = orjson.dumps(what)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def a_hub() -> Iterator[tuple[str, type[_Hub]]]:
    kept = type("Kept", (_Hub,), {"asked": [], "made": {}, "files": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), kept) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", kept
        finally:
            server.shutdown()
            thread.join()


def pushed(batch: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Push in a process of its own, which reads the Hub's address and token as it starts."""
    command = [sys.executable, "-m", "service.cli", "export", batch, "--push-to-hub", "org/rivers"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    clean |= {"HF_HOME": str(home), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120)


def test_a_push_makes_a_private_dataset_of_samples_rejects_and_a_card(
    batch: str, tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    with a_hub() as (url, hub):
        done = pushed(batch, tmp_path, HF_ENDPOINT=url, HF_TOKEN="hf_test")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "/datasets/org/rivers" in done.stderr
    assert hub.made.get("private") or hub.made.get("visibility") == "private"
    assert hub.made["type"] == "dataset"
    assert hub.files.keys() == {"README.md", "data/samples.parquet", "rejects/rejects.parquet"}
    card = hub.files["README.md"].decode()
    assert "= 12 accepted" in card and f"- batch: {batch}" in card
    (tmp_path / "s.parquet").write_bytes(hub.files["data/samples.parquet"])
    table = pyarrow.parquet.read_table(tmp_path / "s.parquet")
    assert table["text"].to_pylist() == [row["text"] for row in rows(Path("s.jsonl"))]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "no token for the Hugging Face Hub: set HF_TOKEN"),
        ({"HF_TOKEN": "hf_x", "HF_ENDPOINT": "http://127.0.0.1:9"}, "can't push to org/rivers: "),
    ],
)
def test_a_push_that_fails_is_told_in_one_line(
    batch: str, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    pytest.importorskip("huggingface_hub")
    done = pushed(batch, tmp_path, **environment)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1
