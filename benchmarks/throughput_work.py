"""What the sides of the throughput benchmark are told to do, and what they answer."""

from dataclasses import dataclass, replace
from typing import Any, Final

from workers.engines.base import GenerationRequest
from workers.engines.config import TransformersConfig, VllmConfig
from workers.pipeline import seed_of
from workers.recipes import SHIPPED, Parsed, Recipe
from workers.tiny.corpus.truth import known_sources

BARE: Final = "bare"
ENGINE: Final = "engine"
OFF: Final = "grading off"
ON: Final = "grading on"
ABORTS: Final = "aborts on"
ARMS: Final = (BARE, ENGINE, OFF, ON, ABORTS)
WARM_UP: Final = 8
FAILED: Final = "failed"
"""The one key of an answer that says why there is no other."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every arm does. `dummy` texts mean nothing: graders read them, a coin lets them pass.

    `max_tokens` None is the recipe's own limit; `engine` is that engine's configuration. With
    `apart` the graders ask the writing model nothing, and vLLM leaves them the last core.
    """

    engine: dict[str, Any]
    recipe: str
    candidates: int
    seed: int
    dummy: bool = False
    max_tokens: int | None = None
    apart: bool = False

    def config(self) -> TransformersConfig | VllmConfig:
        if self.engine["kind"] == "vllm":
            return VllmConfig.model_validate(self.engine)
        return TransformersConfig.model_validate(self.engine)

    def of_recipe(self) -> Recipe:
        """The shipped recipe; over meaningless text, one that takes the text as it is."""
        recipe = SHIPPED[self.recipe]
        recipe = replace(recipe, max_tokens=self.max_tokens or recipe.max_tokens)
        if not self.dummy:
            return recipe
        return replace(
            recipe,
            parse=_as_it_is,
            graders=("consistency",),
            novelty_field="text",
            temperature=1.0,
            top_p=1.0,
            body_start=None,
        )

    def requests(self, count: int) -> list[GenerationRequest]:
        """The prompts of the first `count` candidates, with the seeds Winnow gives them."""
        recipe = self.of_recipe()
        return [
            GenerationRequest(
                recipe.prompt(item.source),
                seed_of(self.seed, seq),
                recipe.max_tokens,
                recipe.temperature,
                recipe.top_p,
                recipe.stop,
            )
            for seq, item in enumerate(known_sources(self.recipe, count, self.seed))
        ]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one arm. Seconds are wall time, but for `cpu_seconds` of this process.

    `tokens` are the candidates' completion tokens, `asked_tokens` those that graders had the
    model write beside. `first_sample` is the seconds until the first accepted one was stored.
    `grader_seconds` are summed over candidates that wait side by side.
    """

    candidates: int
    seconds: float
    tokens: int
    cpu_seconds: float
    accepted: int = 0
    asked_tokens: int = 0
    first_sample: float | None = None
    grader_seconds: float = 0.0
    engine_seconds: float = 0.0


def said(error: BaseException) -> str:
    """The error's message on one line."""
    return " ".join(str(error).split())[:500] or type(error).__name__


def _as_it_is(text: str) -> Parsed:
    return Parsed({"text": text}, body=text)
