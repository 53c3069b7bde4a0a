"""Configuration and look-up of engines."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from workers.engines import vllm_loading
from workers.engines.config import EngineConfig, ScriptedConfig, VllmConfig
from workers.engines.registry import build_engine, resolve_model
from workers.errors import EngineUnavailableError

ADAPTER: TypeAdapter[EngineConfig] = TypeAdapter(EngineConfig)


def test_the_kind_picks_the_model() -> None:
    assert isinstance(ADAPTER.validate_python({"kind": "scripted", "seed": 3}), ScriptedConfig)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "unheard-of"},
        {"kind": "scripted", "wrong": 1},
        {"kind": "scripted", "wrong_rate": 1.5},
        {"kind": "transformers", "device": "toaster"},
        {"kind": "transformers", "max_batch": 0},
        {"kind": "openai", "model": "m"},
        {"kind": "openai", "model": "m", "base_url": "example.org/v1"},
        {"kind": "openai", "model": "m", "base_url": "http://me:secret@example.org/v1"},
        {"kind": "openai", "model": "m", "base_url": "http://a/v1", "api_key": "secret"},
        {"kind": "vllm", "tensor_parallel_size": 2},
        {"kind": "vllm", "engine_args": {"max_num_seqs": 2}},
        {"kind": "vllm", "engine_args": {"model": "other"}},
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(given)


def test_a_path_where_nothing_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="no checkpoint directory"):
        resolve_model(str(tmp_path / "absent"))


def test_a_directory_is_itself_and_a_hub_name_stays_a_name(tmp_path: Path) -> None:
    assert resolve_model(str(tmp_path)) == str(tmp_path)
    assert resolve_model("someone/some-model") == "someone/some-model"


def test_building_the_fake_imports_no_torch() -> None:
    code = (
        "import sys; from workers.engines.registry import build_engine;"
        "from workers.engines.config import ScriptedConfig; build_engine(ScriptedConfig());"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_built_engine_has_its_name() -> None:
    assert build_engine(ScriptedConfig(model="fake-7")).model == "fake-7"


def test_without_vllm_the_engine_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EngineUnavailableError, match=r"needs vllm: pip install 'winnow\[vllm\]'"):
        build_engine(VllmConfig())


def test_an_engine_argument_that_vllm_lacks_is_named_with_those_like_it() -> None:
    known = ["tensor_parallel_size", "quantization", "dtype"]
    vllm_loading.check_names({"dtype": "float16"}, known)
    with pytest.raises(EngineUnavailableError, match="did you mean tensor_parallel_size"):
        vllm_loading.check_names({"tensor-parallel-sise": 2}, known)
