"""A batch job that is stopped or killed is finished by the same file, with exactly N samples."""

import signal
from pathlib import Path

import pytest

from tests.integration.batch_jobs import JobFolder, wait_until

COUNT = 20
SLOW = {"latency_s": 0.2, "concurrency": 2}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_job_that_is_stopped_is_finished_by_the_same_file(
    tmp_path: Path, how: signal.Signals
) -> None:
    job = JobFolder(tmp_path)
    job.write(4, SLOW, count=COUNT, database=f"{tmp_path}/b.db", lease_seconds=1)
    with job.start() as process:
        wait_until(
            lambda: any(record.progress.accepted for record in job.records()), "the first sample"
        )
        process.send_signal(how)
    assert process.returncode == (-how if how is signal.SIGKILL else 130)
    assert not (job.out / "data").exists()
    with job.start() as process:
        assert process.wait() == 0
    job.check_batch(COUNT)


def test_a_pass_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    job = JobFolder(tmp_path)
    job.write(60, {"latency_s": 0.3, "concurrency": 4}, mode="generate", rows_per_part=5)
    with job.start() as process:
        wait_until(lambda: list(job.out.glob("_parts/*.json")), "the first part")
        process.kill()
    parts = {part: part.stat().st_mtime_ns for part in job.out.glob("_parts/*.json")}
    assert 0 < len(parts) < 12
    with job.start() as process:
        assert process.wait() == 0
    assert {part: part.stat().st_mtime_ns for part in parts} == parts
    ids = sorted(row["id"] for row in job.rows("data") + job.rows("rejects"))
    assert ids == sorted(f"t{n}" for n in range(60))
