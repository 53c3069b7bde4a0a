"""What the file of `winnow batch` may say: one model per mode; an unknown key is an error.

`mode: batch` asks for N samples that pass; `generate` makes one candidate per source and `grade`
judges each row of a dataset, both in one pass.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from graders.config import GradersConfig, Score
from workers.backends.config import BackendConfig, LocalConfig
from workers.config_errors import explain
from workers.engines.config import TINY_MODEL, EngineConfig, TransformersConfig
from workers.errors import SpecError
from workers.types import Price

EXAMPLE = """\
# winnow batch config.yaml: ask for N samples, get N that passed, as Parquet with a dataset card.
mode: batch                # or generate (one candidate per source), or grade (rows you have)
recipe: essay              # essay, problem_set, dialogue, answer, or one of recipe_files
count: 1000                # how many samples must pass
seed: 0                    # same seed, same draws

sources:                   # what to write from
  path: /data/sheets.jsonl # .jsonl .parquet .csv .txt, a folder or a glob of them; s3://, gs://, …
  # dataset: org/name      # instead of path: a Hugging Face dataset; config: and split: go with it
  text: text               # the column that holds the text
  # id: id                 # the column of ids; else `id`, where there is one, else file:row

models:
  writer: {kind: transformers, model: winnow-tiny}   # or vllm, openai: as in winnow.toml
model: writer

graders: {}                # options of graders, as in winnow.toml
thresholds: {}             # least score that passes, as {consistency: 0.9}
budget: {max_candidates: 50000}                      # also max_tokens, max_seconds, max_money
# price_per_engine_hour: 2.5                         # what an hour of one busy engine costs
# currency: EUR

out: /data/essays          # a folder or URL: README.md, data/*.parquet, rejects/*.parquet
database: sqlite:////data/essays.db                  # the ledger; it makes the batch resumable
backend: {kind: local}     # or {kind: ray, workers: 4, num_gpus: 1}
"""
CANDIDATES_PER_SAMPLE, SPARE_CANDIDATES = 50, 200
_NOT_IN_KEY = {
    "backend",
    "candidate_timeout_seconds",
    "lease_seconds",
    "price_per_engine_hour",
    "currency",
}
"""What may change between a run and the one that resumes it."""


_TELLS_KIND = ("mode", "kind")


def _said(value: Any) -> Any:
    """What of a configuration differs from its defaults, as JSON; kinds are always said."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        return {
            name: _said(getattr(value, name))
            for name, field in fields
            if name in _TELLS_KIND
            or getattr(value, name) != field.get_default(call_default_factory=True)
        }
    if isinstance(value, dict):
        return {name: _said(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_said(inner) for inner in value]
    return value


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputConfig(_Config):
    """Where texts are read from: files by `path`, or a Hugging Face `dataset`, not both.

    `path` is a file, a folder or a glob, local or a URL that fsspec knows. `text` and `id` name
    columns. Without `id` the column `id` serves, and where a row has none, `file:row` does.
    """

    path: str | None = Field(default=None, min_length=1)
    dataset: str | None = Field(default=None, min_length=1)
    config: str | None = None
    split: str = "train"
    text: str = "text"
    id: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise ValueError("name either path or dataset")
        if self.path is not None and self.config is not None:
            raise ValueError("config goes with dataset")
        return self


class RowsConfig(InputConfig):
    """Rows to grade. `source`, `question` and `gold` name columns; else those of that name serve.

    A column that is named here must be in every row; its value may be null.
    """

    source: str | None = None
    question: str | None = None
    gold: str | None = None


class BudgetConfig(_Config):
    """When to stop short of `count`. `max_candidates` has a default, so that a batch ends.

    `max_money` needs `price_per_engine_hour`.
    """

    max_candidates: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_money: float | None = Field(default=None, gt=0, allow_inf_nan=False)


def _shipped_models() -> dict[str, EngineConfig]:
    return {TINY_MODEL: TransformersConfig()}


class _Job(_Config):
    """What every mode has. `model` is the first of `models` unless named."""

    models: dict[str, EngineConfig] = Field(default_factory=_shipped_models, min_length=1)
    model: str | None = None
    graders: GradersConfig = GradersConfig()
    thresholds: dict[str, Score] = {}
    recipe_files: list[str] = []
    out: str = Field(min_length=1)
    backend: BackendConfig = LocalConfig()
    candidate_timeout_seconds: float = Field(default=300.0, gt=0)

    @field_validator("out")
    @classmethod
    def _a_folder(cls, out: str) -> str:
        if Path(out).suffix in (".parquet", ".jsonl", ".csv"):
            raise ValueError("names a file; name a folder, which will hold data/*.parquet")
        return out.rstrip("/") or "/"

    @model_validator(mode="after")
    def _model_exists(self) -> Self:
        if self.model is not None and self.model not in self.models:
            raise ValueError(f"model {self.model!r} is none of models: {', '.join(self.models)}")
        return self

    @property
    def model_name(self) -> str:
        """The model that writes."""
        return self.model or next(iter(self.models))

    @property
    def key(self) -> str:
        """What tells one job from another: all that decides what comes out, and where it goes.

        An option left at its default is not part of it: one that a later Winnow adds changes no
        job's key.
        """
        given = {name: value for name, value in _said(self).items() if name not in _NOT_IN_KEY}
        canonical = orjson.dumps(given, default=str, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()


class GatedConfig(_Job):
    """`mode: batch`: the closed loop, until `count` samples have passed or a budget is spent.

    The batch keeps the price that it began with.
    """

    mode: Literal["batch"] = "batch"
    recipe: str
    count: int = Field(ge=1)
    sources: InputConfig
    database: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    budget: BudgetConfig = BudgetConfig()
    on_exhausted: Literal["return_partial", "fail"] = "return_partial"
    protect: list[InputConfig] = []
    lease_seconds: float = Field(default=10.0, gt=0)
    price_per_engine_hour: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    currency: str = Field(default="", max_length=16)

    @model_validator(mode="after")
    def _money_has_a_price(self) -> Self:
        if self.budget.max_money is not None and self.price is None:
            raise ValueError("budget.max_money needs price_per_engine_hour")
        return self

    @property
    def price(self) -> Price | None:
        """What an hour of one busy engine costs, if that was said."""
        hour = self.price_per_engine_hour
        return None if hour is None else Price(hour, self.currency)

    @property
    def database_url(self) -> str:
        """SQLAlchemy's URL; a plain path is a SQLite file."""
        return self.database if "://" in self.database else f"sqlite:///{self.database}"


class _PassConfig(_Job):
    """One pass, without a loop; `rows_per_part` rows are judged and written together."""

    rows_per_part: int = Field(default=1000, ge=1, le=100_000)


class GenerateConfig(_PassConfig):
    """`mode: generate`: one candidate for each source, gated; novelty is not judged."""

    mode: Literal["generate"] = "generate"
    recipe: str
    sources: InputConfig
    seed: int = Field(default=0, ge=0, lt=2**63)


class GradeConfig(_PassConfig):
    """`mode: grade`: each row judged as by `winnow grade`; novelty is not judged.

    `recipe` is that of every text, if any. `use` names the graders, else each row decides.
    Without `model` no model is asked.
    """

    mode: Literal["grade"] = "grade"
    rows: RowsConfig
    recipe: str | None = None
    use: list[str] | None = Field(default=None, min_length=1)


JobConfig = Annotated[GatedConfig | GenerateConfig | GradeConfig, Field(discriminator="mode")]
_JOB: TypeAdapter[JobConfig] = TypeAdapter(JobConfig)


def load_job(path: str) -> GatedConfig | GenerateConfig | GradeConfig:
    """Read a YAML file. Raises SpecError, naming the key and what is wrong with it."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SpecError(f"{path} can't be read: {exc}") from exc
    return parse_job(text, path)


def parse_job(text: str, where: str = "config") -> GatedConfig | GenerateConfig | GradeConfig:
    """The job that this YAML describes; `mode` is `batch` unless given. Raises SpecError."""
    given = _yaml(text, where)
    if not isinstance(given, dict):
        raise SpecError(f"{where}: is no mapping; `winnow batch --example` prints one")
    try:
        return _JOB.validate_python({"mode": "batch", **given})
    except ValidationError as exc:
        raise SpecError(f"{where}: {explain(exc, JobConfig, ': ')}") from exc


def _yaml(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise SpecError("a batch job needs more packages: pip install 'winnow[data]'") from exc
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise SpecError(f"{where}: not YAML: {' '.join(str(exc).split())}") from exc
