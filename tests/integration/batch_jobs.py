"""Batch jobs for tests: slow enough to be caught in the middle, and what they left behind."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet

from workers.store import BatchRecord, SqlStore

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0


@dataclass(frozen=True, slots=True)
class JobFolder:
    """A folder with sources, the file of a job, its database and its output."""

    path: Path

    @property
    def file(self) -> str:
        return str(self.path / "job.yaml")

    @property
    def out(self) -> Path:
        return self.path / "out"

    def write(self, sources: int, engine: dict[str, Any], **job: Any) -> None:
        """Write sources and the job; `engine` are options of the scripted engine."""
        rows = [{"id": f"t{n}", "text": f"apples and {n} baskets"} for n in range(sources)]
        (self.path / "topics.jsonl").write_text("\n".join(map(json.dumps, rows)))
        config = {
            "recipe": "problem_set",
            "sources": {"path": str(self.path / "topics.jsonl")},
            "models": {"fake": {"kind": "scripted", **engine}},
            "graders": {"answers": {"resolutions": 0}},
            "out": str(self.out),
            **job,
        }
        Path(self.file).write_text(json.dumps(config))

    def start(self) -> "subprocess.Popen[bytes]":
        """Run the job in a process of its own."""
        command = [sys.executable, "-m", "workers.batch", self.file]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment, cwd=self.path)

    def records(self) -> list[BatchRecord]:
        """The batches in the job's database, as far as there is one."""
        if not (self.path / "b.db").exists():
            return []
        with contextlib.closing(SqlStore(f"sqlite:///{self.path}/b.db")) as store:
            return store.list_batches()

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """What was written to `data` or `rejects`."""
        parts = sorted((self.out / kind).glob("*.parquet"))
        return [row for part in parts for row in pyarrow.parquet.read_table(part).to_pylist()]

    def check_batch(self, count: int) -> None:
        """Exactly N samples, none twice, one batch, and a ledger without a gap."""
        [record] = self.records()
        samples, rejects = self.rows("data"), self.rows("rejects")
        assert len(samples) == record.progress.accepted == count
        assert len({row["text"] for row in samples}) == count
        drawn = sorted(row["seq"] for row in samples + rejects)
        assert drawn == list(range(len(samples) + len(rejects)))


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """Until this is true; what it returned then."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never came: {what}")
