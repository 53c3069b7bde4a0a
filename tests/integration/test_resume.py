"""A process killed in mid-batch loses nothing, and one that comes after it repeats nothing."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graders.types import Source
from workers.errors import BatchBusyError
from workers.pipeline import seed_of
from workers.store import SqlStore
from workers.types import BatchSpec, Status

SCRIPT = Path(__file__).with_name("slow_batch.py")
REPOSITORY = SCRIPT.parents[2]
COUNT = 60
SPEC = BatchSpec("essay", COUNT, (Source("a", "x"), Source("b", "y")), "slow", seed=5)
KILLS = 3
PATIENCE = 90.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/winnow.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(url)) as opened:
        yield opened


def start(url: str, batch_id: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), url, batch_id],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(store: SqlStore, batch_id: str, seq: int) -> None:
    """Until the ledger has at least this many rows."""
    deadline = time.monotonic() + PATIENCE
    while len(store.outcomes(batch_id)) < seq:
        assert time.monotonic() < deadline, "the batch does not get on"
        time.sleep(0.005)


def wait_until_free(store: SqlStore, batch_id: str) -> None:
    """Until the lease of a killed process has run out."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(BatchBusyError):
            store.claim(batch_id, "test")
            store.release(batch_id, "test")
            return
        time.sleep(0.05)


def test_a_batch_killed_again_and_again_ends_with_exactly_n_samples_none_twice(
    url: str, store: SqlStore
) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    rng = random.Random(1)
    for kill in range(KILLS):
        with start(url, batch_id) as process:
            wait_for(store, batch_id, 20 * kill + rng.randrange(1, 15))
            time.sleep(rng.random() * 0.03)
            process.kill()
        wait_until_free(store, batch_id)
        assert store.get_batch(batch_id).status is Status.IN_PROGRESS
    with start(url, batch_id) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert out.strip() == "completed count_reached", err
    check(store, batch_id)


def check(store: SqlStore, batch_id: str) -> None:
    """Exactly N samples, each from its own draw, and a ledger without gap."""
    samples, rejects = store.samples(batch_id), store.rejects(batch_id)
    assert len(samples) == store.progress(batch_id).accepted == COUNT
    assert len({row.candidate.text for row in samples if row.candidate}) == COUNT
    assert sorted(row.seq for row in samples + rejects) == list(range(len(samples + rejects)))
    assert all(row.candidate and row.candidate.seed == seed_of(5, row.seq) for row in samples)


def test_a_second_process_on_the_same_database_is_told_that_the_batch_is_taken(
    url: str, store: SqlStore
) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    store.claim(batch_id, "this process", seconds=600)
    with start(url, batch_id) as second:
        _, err = second.communicate(timeout=PATIENCE)
    assert "BatchBusyError: another process is running" in err
    assert store.outcomes(batch_id) == []
