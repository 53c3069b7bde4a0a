"""What a backend's configuration may say: one model per kind, told apart by `kind`."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from graders.config import GradersConfig
from graders.errors import GraderConfigError
from graders.registry import NOVELTY, check_names
from workers.engines.config import EngineConfig, TransformersConfig, VllmConfig
from workers.errors import SpecError

_OPTION_OF = {"CPU": "num_cpus", "GPU": "num_gpus"}
_NO_RESOURCE = {"memory", "object_store_memory"}


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalConfig(_Config):
    """Everything runs in this process."""

    kind: Literal["local"] = "local"


class RayConfig(_Config):
    """Engines, and graders if wanted, run as actors of a Ray cluster.

    `address` is the cluster's (`auto`: the one that runs on this machine; none: RAY_ADDRESS, or
    a cluster of this process alone). Each of the `workers` actors loads the model on `num_cpus`
    and `num_gpus` and the custom `resources`; as many work as the cluster has room for, and those
    that wait make an autoscaling cluster grow. The graders in `graders_on` run apart, in
    `grader_workers` actors with `grader_cpus` and `grader_gpus` (a fraction shares a GPU).
    An engine's actor that does not answer for `unresponsive_seconds`, or whose engine died, is
    replaced; a grader's, whose answers are grades, after 120 s. A candidate that was lost with
    `max_attempts` actors has failed.
    """

    kind: Literal["ray"] = "ray"
    address: str | None = Field(default=None, min_length=1)
    workers: int = Field(default=1, ge=1, le=10_000)
    num_cpus: float = Field(default=1.0, ge=0)
    num_gpus: float = Field(default=0.0, ge=0)
    resources: dict[str, float] = {}
    graders_on: tuple[str, ...] = ()
    grader_workers: int = Field(default=1, ge=1, le=10_000)
    grader_cpus: float = Field(default=1.0, ge=0)
    grader_gpus: float = Field(default=0.0, ge=0)
    unresponsive_seconds: float = Field(default=60.0, gt=0)
    max_attempts: int = Field(default=3, ge=1)

    @field_validator("resources")
    @classmethod
    def _custom_resources(cls, resources: dict[str, float]) -> dict[str, float]:
        for name, amount in resources.items():
            if option := _OPTION_OF.get(name):
                raise ValueError(f"{name} is no custom resource: set {option}, beside resources")
            if name in _NO_RESOURCE:
                raise ValueError(f"{name} is no custom resource: set num_cpus or num_gpus instead")
            if not (amount > 0 and math.isfinite(amount)):
                raise ValueError(f"{name} is {amount:g}: name an amount above 0")
        return resources

    @model_validator(mode="after")
    def _novelty_stays(self) -> Self:
        if NOVELTY in self.graders_on:
            raise ValueError("graders_on: novelty is judged at admission, so it can't be placed")
        return self


BackendConfig = Annotated[LocalConfig | RayConfig, Field(discriminator="kind")]
"""Any backend's configuration; a new kind joins this union and `open_backend`."""


def check_gpus(config: RayConfig, models: Mapping[str, EngineConfig]) -> None:
    """Refuse a model that vLLM is to split over more GPUs than its actor gets. Raises SpecError.

    Where vLLM's own workers are Ray's (`distributed_executor_backend`), they get GPUs elsewhere.
    """
    for name, model in models.items():
        given = model.engine_args if isinstance(model, VllmConfig) else {}
        sizes = [given.get(f"{way}_parallel_size", 1) for way in ("tensor", "pipeline")]
        if given.get("distributed_executor_backend") == "ray":
            continue
        gpus = math.prod(size for size in sizes if isinstance(size, int))
        if config.num_gpus > 0 and gpus > max(1, config.num_gpus):
            raise SpecError(
                f"models.{name} is split over {gpus} GPUs (tensor_parallel_size times "
                f"pipeline_parallel_size) and its actor gets {config.num_gpus:g}: set "
                f"backend.num_gpus to {gpus}"
            )


def takes_gpu(config: EngineConfig) -> bool:
    """Whether the engine would run on a GPU, if it is given one."""
    if isinstance(config, TransformersConfig):
        return config.device not in ("cpu", "mps")
    return isinstance(config, VllmConfig)


def check_placed(names: Sequence[str], graders: GradersConfig) -> None:
    """Refuse to place a grader that asks the model: the engine is in another process.

    Raises GraderConfigError, saying which option would free it.
    """
    check_names(names)
    asks = {
        "answers": graders.answers.resolutions > 0 and "set graders.answers.resolutions to 0",
        "consistency": graders.consistency.judge and "set graders.consistency.judge to false",
        "agreement": "leave it out",
        "judge": "leave it out",
    }
    for name in names:
        if remedy := asks.get(name):
            raise GraderConfigError(
                f"backend.graders_on: {name} asks the model, so it must run beside it: {remedy}"
            )
