"""Batch jobs on a real cluster of two nodes, with workers killed in the middle."""

import contextlib
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.batch_jobs import PATIENCE, ROOT, JobFolder, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
COUNT = 60
ENGINE = {"latency_s": 0.5, "concurrency": 4}
RECIPE = """
from dataclasses import replace
from workers.recipes import SHIPPED

RECIPE = replace(SHIPPED["problem_set"], name="mine")
"""

HANGS_ONCE = """
import time
from dataclasses import replace
from pathlib import Path
from workers.recipes import SHIPPED

SHIPPED_PARSE = SHIPPED["problem_set"].parse


def parse(text):
    if not Path({flag!r}).exists():
        Path({flag!r}).touch()
        time.sleep(3600)
    return SHIPPED_PARSE(text)


RECIPE = replace(SHIPPED["problem_set"], name="mine", parse=parse)
"""


@dataclass(frozen=True, slots=True)
class TwoNodes:
    """Where the cluster is to be reached: by workers, and by those who submit jobs."""

    address: str
    dashboard: str

    def pids(self, name: str) -> list[int]:
        """The processes of living actors whose class has this in its name."""
        from ray.util.state import list_actors

        found = list_actors(self.dashboard, filters=[("state", "=", "ALIVE")], detail=True)
        return [actor.pid for actor in found if name in actor.class_name and actor.pid]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    from ray.cluster_utils import Cluster

    head = {
        "num_cpus": 1,
        "include_dashboard": True,
        "dashboard_port": 0,
        "dashboard_agent_listen_port": _free_port(),  # other clusters' agents hold the usual one
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1)
        yield TwoNodes(cluster.address, f"http://{cluster.head_node.webui_url}")
    finally:
        cluster.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_submitted_job_delivers_exactly_n_though_a_worker_is_killed(
    two_nodes: TwoNodes, tmp_path: Path
) -> None:
    from ray.job_submission import JobStatus, JobSubmissionClient

    job = JobFolder(tmp_path)
    backend = {"kind": "ray", "workers": 2}
    job.write(4, ENGINE, count=COUNT, database=f"{tmp_path}/b.db", backend=backend)
    client = JobSubmissionClient(two_nodes.dashboard)
    command = shlex.join([sys.executable, "-m", "workers.batch", job.file])
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}

    def submit() -> str | None:
        """The job's id; None while no node's agent is up yet to take it."""
        with contextlib.suppress(RuntimeError):
            return client.submit_job(entrypoint=command, runtime_env=environment)
        return None

    submitted = wait_until(submit, "an agent to take the job")
    wait_until(lambda: any(r.progress.accepted >= 5 for r in job.records()), "five samples")
    os.kill(two_nodes.pids("ProducerActor")[0], signal.SIGKILL)
    status = wait_until(lambda: _ended(client.get_job_status(submitted)), "the end of the job")
    assert status is JobStatus.SUCCEEDED, client.get_job_logs(submitted)
    job.check_batch(COUNT)
    wait_until(lambda: not two_nodes.pids("ProducerActor"), "the end of every actor")


def _ended(status: "JobStatus") -> "JobStatus | None":  # noqa: F821
    return status if status.is_terminal() else None


def test_a_pass_over_a_dataset_makes_each_row_once_though_a_worker_is_killed(
    two_nodes: TwoNodes, tmp_path: Path
) -> None:
    job = JobFolder(tmp_path)
    backend = {"kind": "ray", "workers": 2, "address": two_nodes.address}
    recipe = tmp_path / "mine.py"
    recipe.write_text(RECIPE)
    mine = {"recipe": "mine", "recipe_files": [str(recipe)]}
    job.write(80, ENGINE, mode="generate", rows_per_part=4, backend=backend, **mine)
    with job.start() as process:
        wait_until(lambda: list(job.out.glob("_parts/*.json")), "the first part")
        recipe.unlink()  # other nodes never had it
        os.kill(two_nodes.pids("_ChunkActor")[0], signal.SIGKILL)
        assert process.wait() == 0
    ids = sorted(row["id"] for row in job.rows("data") + job.rows("rejects"))
    assert ids == sorted(f"t{n}" for n in range(80))
    assert "Novelty was not judged" in (job.out / "README.md").read_text()


def test_a_pass_replaces_a_worker_that_hangs(two_nodes: TwoNodes, tmp_path: Path) -> None:
    job = JobFolder(tmp_path)
    backend = {
        "kind": "ray",
        "workers": 2,
        "address": two_nodes.address,
        "unresponsive_seconds": 3.0,
    }
    (tmp_path / "mine.py").write_text(HANGS_ONCE.format(flag=str(tmp_path / "hung")))
    mine = {"recipe": "mine", "recipe_files": [str(tmp_path / "mine.py")]}
    job.write(24, {"concurrency": 4}, mode="generate", rows_per_part=4, backend=backend, **mine)
    with job.start() as process:
        assert process.wait(timeout=PATIENCE) == 0
    assert (tmp_path / "hung").exists()
    ids = sorted(row["id"] for row in job.rows("data") + job.rows("rejects"))
    assert ids == sorted(f"t{n}" for n in range(24))
