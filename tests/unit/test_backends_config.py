"""What the section `backend` may say, and that Ray is not needed until it is asked for."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from graders.config import AnswersConfig, ConsistencyConfig, GradersConfig
from graders.errors import GraderConfigError
from service.settings import ConfigurationError, load_settings
from workers.backends.config import BackendConfig, LocalConfig, RayConfig, check_placed
from workers.backends.local import LocalBackend
from workers.compose import open_backend
from workers.engines.config import ScriptedConfig
from workers.engines.pool import EnginePool
from workers.errors import EngineUnavailableError

READ: TypeAdapter[BackendConfig] = TypeAdapter(BackendConfig)


def test_everything_runs_in_this_process_unless_told_otherwise() -> None:
    settings = load_settings()
    assert settings.backend == LocalConfig()
    opened = open_backend(settings.backend, EnginePool(settings.models), settings.graders)
    assert isinstance(opened, LocalBackend)


def test_the_settings_take_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_BACKEND", '{"kind": "ray", "workers": 4, "num_gpus": 1}')
    backend = load_settings().backend
    assert isinstance(backend, RayConfig)
    assert (backend.workers, backend.num_gpus, backend.num_cpus) == (4, 1.0, 1.0)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kind": "slurm"}, "kind"),
        ({"kind": "local", "workers": 2}, "workers"),
        ({"kind": "ray", "worker": 2}, "worker"),
        ({"kind": "ray", "workers": 0}, "greater than or equal to 1"),
        ({"kind": "ray", "graders_on": ["novelty"]}, "judged at admission"),
        ({"kind": "ray", "resources": {"GPU": 1}}, "set num_gpus, beside resources"),
        ({"kind": "ray", "resources": {"CPU": 1}}, "set num_cpus, beside resources"),
        ({"kind": "ray", "resources": {"memory": 1}}, "num_cpus or num_gpus"),
        ({"kind": "ray", "resources": {"x": -1}}, "x is -1: name an amount above 0"),
    ],
)
def test_a_mistake_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        READ.validate_python(given)
    with pytest.raises(ConfigurationError):
        load_settings(backend=given)


def test_a_grader_that_asks_the_model_stays_beside_it() -> None:
    with pytest.raises(GraderConfigError, match=r"consistency asks.*consistency\.judge to false"):
        check_placed(["form", "consistency"], GradersConfig())
    with pytest.raises(GraderConfigError, match=r"answers asks.*answers\.resolutions to 0"):
        check_placed(["answers"], GradersConfig())
    with pytest.raises(GraderConfigError, match=r"judge asks.*leave it out"):
        check_placed(["judge"], GradersConfig())
    with pytest.raises(GraderConfigError, match="unknown grader 'consistent'"):
        check_placed(["consistent"], GradersConfig())


def test_a_grader_without_a_model_may_be_placed() -> None:
    config = GradersConfig(
        consistency=ConsistencyConfig(judge=False), answers=AnswersConfig(resolutions=0)
    )
    check_placed(["form", "consistency", "answers"], config)


def test_without_ray_the_ray_backend_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("workers.backends.ray")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineUnavailableError, match=r"needs ray: pip install 'winnow\[ray\]'"):
        open_backend(RayConfig(), EnginePool({"fake": ScriptedConfig()}), GradersConfig())


def test_reading_the_settings_and_composing_a_batch_load_no_ray() -> None:
    code = "import workers.compose, service.app, sys; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
