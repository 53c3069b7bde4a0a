"""Builds engines from their configuration; an engine's libraries are imported only when built."""

from importlib import import_module, resources
from pathlib import Path
from typing import Final

from workers.engines.base import Engine
from workers.engines.config import TINY_MODEL, EngineConfig
from workers.errors import EngineUnavailableError

__all__ = ["TINY_MODEL", "build_engine", "resolve_model"]

BUILDERS: Final = {
    "openai": ("workers.engines.openai", "OpenAIEngine"),
    "scripted": ("workers.engines.scripted", "ScriptedEngine"),
    "transformers": ("workers.engines.transformers", "TransformersEngine"),
    "vllm": ("workers.engines.vllm", "VllmEngine"),
}
EXTRAS: Final = {"transformers": "winnow[hf]", "vllm": "winnow[vllm]"}


def build_engine(config: EngineConfig) -> Engine:
    """The engine, not yet started. Raises EngineUnavailableError when its libraries are missing."""
    module, name = BUILDERS[config.kind]
    try:
        engine: Engine = getattr(import_module(module), name)(config)
    except ModuleNotFoundError as exc:
        raise EngineUnavailableError(
            f"the {config.kind} engine needs {(exc.name or '').partition('.')[0]}: pip install "
            f"'{EXTRAS.get(config.kind, 'winnow')}'"
        ) from exc
    return engine


def resolve_model(name: str) -> str:
    """Where a model is: the packaged directory, a local directory, or `name` itself (on the Hub).

    Raises EngineUnavailableError when `name` is a path and nothing is there.
    """
    if name == TINY_MODEL:
        packaged = Path(str(resources.files("workers").joinpath("tiny", "model")))
        if not (packaged / "config.json").is_file():
            raise EngineUnavailableError(
                f"the packaged model {TINY_MODEL} is missing: reinstall winnow, or run "
                "`winnow train-tiny`"
            )
        return str(packaged)
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path)
    if path.exists() or name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise EngineUnavailableError(f"no checkpoint directory at {name}: check the path")
    return name
