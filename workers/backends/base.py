"""The contract of a backend, and what it is told about a batch."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from graders.calibration.certificate import Certificate
from graders.gate import Gate
from workers.engines.config import UNSTRUCTURED, EngineConfig
from workers.errors import SpecError
from workers.producer import TIME_LIMIT, Producer
from workers.recipes.base import Recipe


@dataclass(frozen=True, slots=True)
class Job:
    """What producing for one batch takes, besides models and graders. Ray can pickle it.

    `gate` requires only graders without state. `time_limit` is in seconds, for one candidate.
    """

    batch_id: str
    recipe: Recipe
    model: str
    gate: Gate
    certificate: Certificate | None = None
    time_limit: float = TIME_LIMIT


class Backend(Protocol):
    """Makes producers. Batches that run at once share its engines.

    `ready` loads a model: it raises EngineUnavailableError, saying what is broken. `producer` is
    a context in which the job's producer works; entering raises what `ready` does, SpecError,
    and GraderError for a grader that can't be had. `aclose` ends all that was started.
    """

    models: Mapping[str, EngineConfig]

    async def ready(self, model: str) -> None: ...

    def loaded(self, model: str) -> bool: ...

    def producer(self, job: Job) -> AbstractAsyncContextManager[Producer]: ...

    async def aclose(self) -> None: ...


def check_structured(recipe: Recipe, config: EngineConfig) -> None:
    """Refuse a recipe whose text must be JSON, on an engine that can't see to it, before any load.

    Raises SpecError.
    """
    if recipe.json_schema is not None and not config.structured:
        raise SpecError(
            f"the recipe {recipe.name} wants JSON: {UNSTRUCTURED}; name a model of one of them"
        )
