"""What travels over HTTP: request bodies, unknown fields refused, and how they become a BatchSpec.

What they promise of a source: it is text, not empty, not above the limits; the message names
its index.
"""

import hashlib
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    StringConstraints,
)

from graders.calibration.certificate import Certificate
from graders.config import Score
from graders.types import Source
from service.certificates import certificate_of
from service.errors import RequestError
from service.settings import Settings
from workers.backends.base import check_structured
from workers.errors import SpecError
from workers.recipes import Recipe
from workers.types import BatchSpec, Budget

MAX_INTEGER = 2**63 - 1
SYNCHRONOUS_COUNT = 50
CONFIDENCE = 0.95
MAX_GRADE_ROWS = 10_000
WITHOUT_MODEL = frozenset({"form", "novelty"})
CANDIDATES_PER_SAMPLE, SPARE_CANDIDATES = 50, 200
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

Value = TypeVar("Value")


def _storable(text: str) -> str:
    alien = _UNSTORABLE.search(text)
    if alien is not None:
        raise ValueError(f"U+{ord(alien[0]):04X} at character {alien.start()} is no text")
    return text


Storable = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Storable, StringConstraints(min_length=1, max_length=256)]
Key = Annotated[Storable, StringConstraints(min_length=1, max_length=64)]
Label = Annotated[Storable, StringConstraints(max_length=512)]
Texts = Annotated[list[str], FailFast()]
"""Of a body of 64 MB a million items may be wrong; the first says enough."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SourceBody(_Body):
    """A text that grounds generation. Without an `id` its index serves."""

    id: Name | None = None
    text: str


class GateBody(_Body):
    """The least score that passes, by grader, over the configured ones."""

    thresholds: dict[str, Score] = {}


class BatchGateBody(GateBody):
    """Also the largest share of wrong samples, in (0, 1), and how sure that has to be.

    It sets the threshold of the calibrated grader; without a calibration it is refused.
    """

    max_error_rate: float | None = Field(default=None, gt=0, lt=1, allow_inf_nan=False)
    confidence: float | None = Field(default=None, gt=0, lt=1, allow_inf_nan=False)


class BudgetBody(_Body):
    """When to stop short of `count`. `max_candidates` has a default, so that a batch ends.

    `max_money` is in the gateway's currency; without a price there it is refused.
    """

    max_candidates: int | None = Field(default=None, ge=1, le=MAX_INTEGER)
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_INTEGER)
    max_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_money: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class BatchBody(_Body):
    """One request for `count` samples that pass."""

    recipe: str
    count: int = Field(ge=1)
    sources: Annotated[list[str | SourceBody], FailFast()] = Field(min_length=1)
    model: str | None = None
    gate: BatchGateBody = BatchGateBody()
    budget: BudgetBody = BudgetBody()
    on_exhausted: Literal["return_partial", "fail"] = "return_partial"
    seed: int | None = Field(default=None, ge=0, le=MAX_INTEGER)
    protect: Texts = []
    metadata: dict[Key, Label] = Field(default={}, max_length=16)


class AuditBody(_Body):
    """How many samples to draw, by which seed. Left out: up to 100, by a seed of chance."""

    count: int | None = Field(default=None, ge=1, le=MAX_INTEGER)
    seed: int | None = Field(default=None, ge=0, le=MAX_INTEGER)


class AuditLabelBody(_Body):
    """Whether one drawn sample is right."""

    seq: int = Field(ge=0, le=MAX_INTEGER)
    correct: StrictBool


class AuditLabelsBody(_Body):
    """Labels of drawn samples; `replace` lets them change labels that are there."""

    labels: list[AuditLabelBody] = Field(min_length=1, max_length=MAX_GRADE_ROWS)
    replace: bool = False


class GradeBody(_Body):
    """Texts to judge, as the rows of `winnow grade`; `graders` selects among those there are.

    `model` is asked for a second opinion, and to solve problems again; left out, none is asked.
    No field of a row may be longer than a source.
    """

    rows: Annotated[list[dict[str, Any]], FailFast()] = Field(
        min_length=1, max_length=MAX_GRADE_ROWS
    )
    graders: list[str] | None = Field(default=None, min_length=1)
    gate: GateBody = GateBody()
    protect: Texts = []
    model: str | None = None


class CalibrationBody(_Body):
    """Labelled texts that tell which error rates a recipe's gate can promise; `name` is theirs.

    The `grader` asks `model`; left out, the default model, where it may ask one. With
    `drop_contradictions` texts labelled both right and wrong count as wrong. `confidence` is that
    of the answers; batches say theirs.
    """

    recipe: str
    rows: Annotated[list[dict[str, Any]], FailFast()] = Field(
        min_length=1, max_length=MAX_GRADE_ROWS
    )
    grader: str = "consistency"
    model: str | None = None
    name: Name | None = None
    drop_contradictions: StrictBool = False
    confidence: float = Field(default=CONFIDENCE, gt=0, lt=1, allow_inf_nan=False)


def to_spec(
    body: BatchBody,
    settings: Settings,
    recipes: Mapping[str, Recipe],
    *,
    idempotency_key: str | None = None,
    tenant: str | None = None,
    uploaded: str | None = None,
) -> BatchSpec:
    """The batch that was asked for. Raises RequestError, naming the field, and CalibrationError.

    `uploaded` is the content of the tenant's own calibration of the recipe, if there is one.
    Without a seed one is drawn, from the idempotency key if there is one: the same request of a
    tenant under the same key is the same batch.
    """
    recipe = recipe_named(body.recipe, recipes)
    if body.count > settings.max_count:
        raise RequestError("count", f"{body.count} is {_above('max_count', settings.max_count)}")
    _check_graders(body.gate.thresholds, recipe)
    check_texts("protect", body.protect, settings)
    model = model_name(body.model, settings)
    try:
        check_structured(recipe, settings.models[model])
    except SpecError as exc:
        raise RequestError("model", str(exc)) from exc
    certificate = _certificate(body.gate, settings, recipe, model, uploaded)
    return BatchSpec(
        recipe=body.recipe,
        count=body.count,
        sources=_sources(body.sources, settings),
        model=model,
        seed=_seed(idempotency_key, tenant) if body.seed is None else body.seed,
        budget=_budget(body, settings),
        thresholds=_thresholds(body.gate, certificate),
        protect=tuple(body.protect),
        fail_on_shortfall=body.on_exhausted == "fail",
        metadata=body.metadata,
        certificate=certificate,
    )


def model_name(asked: str | None, settings: Settings) -> str:
    """The model to use. Raises RequestError, naming those there are."""
    name = settings.model_name if asked is None else asked
    _known("model", name, settings.models)
    return name


def recipe_named(name: str, recipes: Mapping[str, Recipe]) -> Recipe:
    """The recipe of this name. Raises RequestError, naming those there are."""
    return _known("recipe", name, recipes)


def may_ask_model(graders: Collection[str] | None) -> bool:
    """Whether any of these graders (None: whichever a row supports) could ask the model."""
    return graders is None or not WITHOUT_MODEL.issuperset(graders)


def check_texts(field: str, texts: Sequence[str], settings: Settings) -> None:
    """Raise RequestError for too many, and at the first that is empty, too long, or not text."""
    if len(texts) > settings.max_sources:
        above = _above("max_sources", settings.max_sources)
        raise RequestError(field, f"{len(texts)} of them are {above}")
    for index, text in enumerate(texts):
        _check_text(f"{field}[{index}]", text, settings.max_source_chars)


def check_row_length(index: int, row: Mapping[str, Any], settings: Settings) -> None:
    """Raise RequestError for a field of a row to grade that is longer than a source may be."""
    for field, text in row.items():
        if isinstance(text, str):
            _check_length(f"rows[{index}].{field[:64]}", text, settings.max_source_chars)


def _above(setting: str, limit: int) -> str:
    return f"above the limit of {limit}; {setting} in winnow.toml raises it"


def check_encodable(index: int, row: Mapping[str, Any]) -> None:
    """Raise RequestError for a row that spells by JSON's escapes what no UTF-8 holds."""
    try:
        orjson.dumps(row)
    except TypeError as exc:
        raise RequestError(f"rows[{index}]", f"can't be written as UTF-8 JSON: {exc}") from exc


def _check_length(field: str, text: str, limit: int, called: str = "") -> None:
    if len(text) > limit:
        above = _above("max_source_chars", limit)
        raise RequestError(field, f"{called}{len(text)} characters are {above}")


def _check_text(field: str, text: str, limit: int, called: str = "") -> None:
    _check_length(field, text, limit, called)
    if not text.strip():
        raise RequestError(field, f"{called}is empty; a text is needed")
    alien = _NOT_TEXT.search(text)
    if alien is not None:
        place = f"U+{ord(alien[0]):04X} at character {alien.start()}"
        raise RequestError(field, f"{called}is binary, not text: {place}")


def _sources(given: list[str | SourceBody], settings: Settings) -> tuple[Source, ...]:
    if len(given) > settings.max_sources:
        above = _above("max_sources", settings.max_sources)
        raise RequestError("sources", f"{len(given)} of them are {above}")
    sources = []
    places: dict[str, int] = {}
    for index, item in enumerate(given):
        body = SourceBody(text=item) if isinstance(item, str) else item
        source = Source(body.id or str(index), body.text)
        called = f"{body.id!r}: " if body.id else ""
        _check_text(f"sources[{index}]", source.text, settings.max_source_chars, called)
        first = places.setdefault(source.id, index)
        if first != index:
            raise RequestError(
                f"sources[{index}]", f"its id {source.id!r} is also that of sources[{first}]"
            )
        sources.append(source)
    return tuple(sources)


def _budget(body: BatchBody, settings: Settings) -> Budget:
    asked = body.budget
    if asked.max_money is not None and settings.price is None:
        raise RequestError(
            "budget.max_money",
            "no price is configured here: set price_per_engine_hour, or leave it out",
        )
    most = asked.max_candidates or CANDIDATES_PER_SAMPLE * body.count + SPARE_CANDIDATES
    return Budget(most, asked.max_tokens, asked.max_seconds, asked.max_money)


def _known(field: str, name: str, known: Mapping[str, Value]) -> Value:
    if name not in known:
        raise RequestError(field, f"unknown {field} {name!r}; there are: {', '.join(known)}")
    return known[name]


def _check_graders(thresholds: Mapping[str, float], recipe: Recipe) -> None:
    for name in thresholds:
        if name not in recipe.graders:
            used = ", ".join(recipe.graders)
            raise RequestError(
                "gate.thresholds", f"{name!r} is no grader of {recipe.name}; it uses: {used}"
            )


def _certificate(
    gate: BatchGateBody, settings: Settings, recipe: Recipe, model: str, uploaded: str | None
) -> Certificate | None:
    """The certificate asked for. Raises NotCertifiableError."""
    if gate.max_error_rate is None:
        if gate.confidence is not None:
            raise RequestError("gate.confidence", "goes with gate.max_error_rate; add that")
        return None
    confidence = CONFIDENCE if gate.confidence is None else gate.confidence
    certificate = certificate_of(settings, recipe, model, gate.max_error_rate, confidence, uploaded)
    if certificate.grader in gate.thresholds:
        raise RequestError(
            f"gate.thresholds.{certificate.grader}",
            "is chosen by gate.max_error_rate; leave one of them out",
        )
    return certificate


def _thresholds(gate: BatchGateBody, certificate: Certificate | None) -> Mapping[str, float]:
    if certificate is None:
        return gate.thresholds
    return {**gate.thresholds, certificate.grader: certificate.threshold}


def _seed(key: str | None, tenant: str | None) -> int:
    said = uuid.uuid4().hex if key is None else key if tenant is None else f"{tenant}\n{key}"
    digest = hashlib.sha256(said.encode()).digest()
    return int.from_bytes(digest[:4], "big")
