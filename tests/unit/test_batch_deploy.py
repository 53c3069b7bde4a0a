"""The files under deploy/ parse, name what exists, and the example job is one."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.backends.config import RayConfig
from workers.batch_config import GatedConfig, load_job

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.rglob("Dockerfile*"))


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def test_the_example_job_is_one_and_runs_on_ray() -> None:
    job = load_job(str(DEPLOY / "batch.yaml"))
    assert isinstance(job, GatedConfig) and isinstance(job.backend, RayConfig)


def test_every_yaml_file_parses() -> None:
    for path in DEPLOY.rglob("*.yaml"):
        assert list(yaml.safe_load_all(path.read_text())), path


def test_the_cluster_has_volumes_for_what_it_mounts_and_the_pinned_ray() -> None:
    spec = read("ray/raycluster.yaml")["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        mounted = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert f"ray=={spec['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_compose_builds_from_a_file_that_is_there_and_declares_its_volumes() -> None:
    compose = read("compose.yaml")
    build = compose["services"]["gateway"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    used = {volume.split(":")[0] for s in compose["services"].values() for volume in s["volumes"]}
    assert used == set(compose["volumes"])


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_an_image_copies_is_there(path: Path) -> None:
    copied = re.findall(r"^COPY(?: --\S+)* (.+) \S+$", path.read_text(), flags=re.M)
    assert copied
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_image_installs_the_versions_that_are_tested(path: Path) -> None:
    installs = re.findall(r"^RUN pip install(?:.*\\\n)*.*$", path.read_text(), flags=re.M)
    assert installs
    assert all(re.search(r"-c (constraints\.txt|\"\$\{CONSTRAINTS\}\")", line) for line in installs)


def test_names_of_the_cluster_make_no_settings_of_its_pods() -> None:
    """Kubernetes sets NAME_SERVICE_HOST for the services of a cluster of that name."""
    assert not read("ray/raycluster.yaml")["metadata"]["name"].startswith("winnow")
