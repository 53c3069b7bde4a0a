"""What can be set about each grader: one model per grader, told apart by `kind`.

An unknown option is an error, and so is a threshold outside [0, 1].
"""

from collections.abc import Iterable, Mapping
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
    threshold: Score = Field(
        default=1.0,
        description="least score that passes; without gold, the share of re-solutions that agree",
    )
    resolutions: int = Field(
        default=3,
        ge=0,
        description="independent re-solutions asked of each model; 0: none, and without a gold "
        "answer only a recipe's working can pass, traced number by number",
    )
    answers_needed: int | None = Field(
        default=None,
        ge=1,
        description="re-solutions of each model that must give an answer at all; null: every one",
    )
    resolution_temperature: float = Field(
        default=0.8, ge=0, le=2, description="sampling temperature of the re-solutions"
    )
    resolution_max_tokens: int = Field(
        default=256, ge=1, description="longest re-solution, in tokens"
    )
    second_model: str | None = Field(
        default=None,
        description="a configured model that solves each problem too and counts as much as the "
        "first",
    )
    trace_operands: bool = Field(
        default=True,
        description="in a recipe's working, every number must come from the problem or an earlier "
        "step; texts without a recipe are never held to this",
    )
    strict_steps: bool = Field(
        default=False,
        description="with a gold answer, also fail a text with a step that does not compute",
    )

    @model_validator(mode="after")
    def _answers_can_be_had(self) -> "AnswersConfig":
        if self.answers_needed is not None and self.answers_needed > self.resolutions:
            raise ValueError(
                f"answers_needed ({self.answers_needed}) is more than resolutions "
                f"({self.resolutions}); lower it or raise resolutions"
            )
        return self


class ConsistencyConfig(_Options):
    """Is every claim supported by the source? Scores the probability that all of them are.

    As `model` serve a folder of `winnow train-grader` and, by folder or hub name (`name@revision`
    for a revision), any sequence classifier that transformers loads without code of its own:
    two labels such as MiniCheck's (`lytang/MiniCheck-RoBERTa-Large`,
    `lytang/MiniCheck-DeBERTa-v3-Large`; unnamed, the second is "supported"), three as of an NLI
    model, in any order, or one logit (`vectara/hallucination_evaluation_model@hhem-1.0-open`).
    Also a T5 that was trained as `lytang/MiniCheck-Flan-T5-Large`. HHEM 2 needs code of its own
    and is refused, and so is a checkpoint that lacks weights. Some need `pip install
    sentencepiece`.
    """

    kind: Literal["consistency"] = "consistency"
    threshold: Score = Field(
        default=0.5, description="least probability of being free of unsupported claims that passes"
    )
    model: str | None = Field(
        default="winnow-entailment",
        description="the cross-encoder that reads prose and JSON sources: 'winnow-entailment' is "
        "the shipped one; a folder or a hub name of a sequence classifier, with @revision if need "
        "be; null: rules alone",
    )
    support_label: str | None = Field(
        default=None, description="that model's label for 'supported', where its own names differ"
    )
    entail_labelled: bool = Field(
        default=False, description="also let it read sources that consist of labelled lines"
    )
    language: Literal["en"] | None = Field(
        default="en",
        description="'en': leave texts and sources in other languages ungraded; null: the model "
        "reads any",
    )
    threads: int = Field(default=0, ge=0, description="claims read at once; 0: one per core")
    judge: bool = Field(
        default=True,
        description="where rules decide, also ask the model, as a second opinion on each claim",
    )


class NoveltyConfig(_Options):
    """Is the text new? Scores 1 minus the similarity to the nearest text.

    As `max_copied_words`, 50 lies above what answers quote in good faith (4 of the 1,318 in
    RAGTruth quote more of their source in a row), and as many tokens in a row count as a copy in
    Lee et al. 2022, "Deduplicating training data", section 4.
    """

    kind: Literal["novelty"] = "novelty"
    threshold: Score = Field(
        default=0.4,
        description="least score that passes: 0.4 refuses texts that are over 60% alike",
    )
    semantic: Literal["auto"] | bool = Field(
        default="auto",
        description="compare with protected texts by meaning too; 'auto': with those of "
        "winnow protect, if winnow[semantic] is installed; true: also with those of --protect",
    )
    semantic_threshold: float = Field(
        default=0.8, gt=0, lt=1, description="cosine from which a text counts as a paraphrase"
    )
    semantic_admitted: bool = Field(
        default=False,
        description="compare with admitted texts by meaning too; about 10 ms a text on two cores",
    )
    verbatim_words: int = Field(
        default=13,
        ge=0,
        description="words in a row from a protected text that make a copy; 0: never by this rule",
    )
    max_copied_words: int | None = Field(
        default=50,
        ge=0,
        description="most words in a row from the source, which a longer text may repeat if it is "
        "a word problem; 0 or null: any number",
    )

    @model_validator(mode="after")
    def _admitted_needs_embeddings(self) -> "NoveltyConfig":
        if self.semantic_admitted and self.semantic is False:
            raise ValueError("semantic_admitted needs semantic: true or 'auto'")
        return self


class AgreementConfig(_Options):
    """Does the model say the same when it is asked again? For texts that have no source."""

    kind: Literal["agreement"] = "agreement"
    threshold: Score = Field(
        default=0.5, description="least support that the weakest claim needs, over the new answers"
    )
    samples: int = Field(default=5, ge=2, description="new answers asked of the engine")
    temperature: float = Field(
        default=1.0, gt=0, le=2, description="sampling temperature of the new answers"
    )
    max_tokens: int = Field(default=400, ge=1, description="longest new answer, in tokens")
    model: str = Field(
        default="winnow-entailment",
        min_length=1,
        description="the cross-encoder that holds claims against new answers: the shipped one, a "
        "folder or a hub name; 'words': shared words and numbers decide",
    )


class JudgeConfig(_Options):
    """Does a model, asked about each claim, find it supported by the source?"""

    kind: Literal["judge"] = "judge"
    threshold: Score = Field(default=1.0, description="least share of supported claims that passes")
    model: str | None = Field(
        default=None, description="the configured model to ask; null: the one that writes"
    )
    max_tokens: int = Field(default=200, ge=1, description="longest reply, in tokens")
    canary_rate: Score = Field(
        default=0.1,
        description="share of the texts beside which one known-good and one known-bad claim are "
        "judged; 0: none",
    )
    canary_window: int = Field(
        default=50,
        ge=10,
        le=1000,
        description="canaries of each kind after which the judge is tested anew, beside the tests "
        "that run; its hit rate is told over as many",
    )
    canary_floor: Score = Field(
        default=0.7,
        description="the judge halts when it surely judges less than this share of either kind "
        "rightly; 0: never",
    )


class PluginConfig(_Options):
    """Options of a grader installed through the entry-point group `winnow.graders`."""

    threshold: Score = Field(default=1.0, description="least score that passes")
    options: Mapping[str, Any] = Field(
        default_factory=dict, description="handed to the grader's constructor as they are"
    )


GraderConfig = Annotated[
    FormConfig | AnswersConfig | ConsistencyConfig | NoveltyConfig | AgreementConfig | JudgeConfig,
    Field(discriminator="kind"),
]


class GradersConfig(_Options):
    """The options of every grader."""

    form: FormConfig = FormConfig()
    answers: AnswersConfig = AnswersConfig()
    consistency: ConsistencyConfig = ConsistencyConfig()
    novelty: NoveltyConfig = NoveltyConfig()
    agreement: AgreementConfig = AgreementConfig()
    judge: JudgeConfig = JudgeConfig()
    plugins: Mapping[str, PluginConfig] = Field(
        default_factory=dict, description="options of graders installed from elsewhere, by name"
    )
    early_abort: bool = Field(
        default=True, description="stop writing a text that the gate is sure to refuse"
    )

    def models_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The configured models that these graders ask, beside the one that writes."""
        asked = {"judge": self.judge.model, "answers": self.answers.second_model}
        return tuple(model for name in names if (model := asked.get(name)))
