"""What can be set about each grader: one model per grader, told apart by `kind`.

An unknown option is an error, and so is a threshold outside [0, 1].
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FormConfig(_Options):
    """Is the text whole and readable? Scores 1 or 0."""

    kind: Literal["form"] = "form"
    threshold: Score = Field(default=1.0, description="least score that passes")
    min_words: int = Field(
        default=3,
        ge=1,
        description="fewest words; one is enough where a question or gold answer is given",
    )
    max_chars: int = Field(default=50_000, ge=1, description="most characters")
    max_repetition: Score = Field(
        default=0.4, description="largest share of four-word sequences that repeat an earlier one"
    )
    language: Literal["en", "source"] | None = Field(
        default="source",
        description="'en': English; 'source': the script of the source or question; null: any",
    )


class AnswersConfig(_Options):
    """Is the worked solution right, step by step and in its final answer?"""

    kind: Literal["answers"] = "answers"
    threshold: Score = Field(default=1.0, description="least score that passes")
    resolutions: int = Field(
        default=3, ge=0, description="independent re-solutions asked of the engine"
    )
    agree: int = Field(
        default=3, ge=0, description="how many of them must give the same final answer"
    )
    resolution_temperature: float = Field(
        default=0.8, ge=0, le=2, description="sampling temperature of the re-solutions"
    )

    @model_validator(mode="after")
    def _agreement_is_reachable(self) -> "AnswersConfig":
        if self.agree > self.resolutions:
            raise ValueError(f"agree ({self.agree}) is more than resolutions ({self.resolutions})")
        return self


class ConsistencyConfig(_Options):
    """Is every claim supported by the source?"""

    kind: Literal["consistency"] = "consistency"
    threshold: Score = Field(default=1.0, description="least share of supported claims that passes")
    judge: bool = Field(
        default=True, description="also ask the model, as a second opinion on each claim"
    )


class NoveltyConfig(_Options):
    """Is the text new? Scores 1 minus the similarity to the nearest text."""

    kind: Literal["novelty"] = "novelty"
    threshold: Score = Field(
        default=0.4,
        description="least score that passes: 0.4 refuses texts that are over 60% alike",
    )


class PluginConfig(_Options):
    """Options of a grader installed through the entry-point group `winnow.graders`."""

    threshold: Score = Field(default=1.0, description="least score that passes")
    options: Mapping[str, Any] = Field(
        default_factory=dict, description="handed to the grader's constructor as they are"
    )


GraderConfig = Annotated[
    FormConfig | AnswersConfig | ConsistencyConfig | NoveltyConfig, Field(discriminator="kind")
]


class GradersConfig(_Options):
    """The options of every grader."""

    form: FormConfig = FormConfig()
    answers: AnswersConfig = AnswersConfig()
    consistency: ConsistencyConfig = ConsistencyConfig()
    novelty: NoveltyConfig = NoveltyConfig()
    plugins: Mapping[str, PluginConfig] = Field(
        default_factory=dict, description="options of graders installed from elsewhere, by name"
    )
