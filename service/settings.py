"""The gateway's configuration: flags over environment over winnow.toml; unknown keys are errors."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from graders.config import GradersConfig
from service.tenants import KeyHash, TenantConfig, TenantName, Tenants
from workers.backends.config import BackendConfig, LocalConfig
from workers.config_errors import explain
from workers.engines.config import TINY_MODEL, EngineConfig, TransformersConfig
from workers.types import Price

ENV_PREFIX = "WINNOW_"
CONFIG_VARIABLE = "WINNOW_CONFIG"
DEFAULT_FILE = Path("winnow.toml")
_OF_A_SERVICE = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP)|_PORT$")


class ConfigurationError(Exception):
    """The configuration can't be used; the message names the key and what is wrong with it."""


def _shipped_models() -> dict[str, EngineConfig]:
    return {TINY_MODEL: TransformersConfig()}


class Settings(BaseSettings):
    """Everything that the gateway and the command line can be told.

    `models` maps a name that requests use to the engine that runs it; `default_model` is the first
    of them unless named. Nested keys in the environment are joined by `__`
    (`WINNOW_GRADERS__FORM__MIN_WORDS`). `candidate_timeout_seconds` limits generating and grading
    one candidate, from when the model has a place for it. `lease_seconds` is how long the batches
    of a process that died stay untouched. `calibrations` names, for a recipe, the file that
    `winnow calibrate` made: requests for it may then say `gate.max_error_rate`, as they may where
    their caller has uploaded a calibration, which goes before this one. `backend` says where
    candidates are produced: in this process, or on a Ray cluster.
    `price_per_engine_hour` is what an hour of one busy engine costs, in `currency` (a label); with
    it batches are accounted for in money, too. With `tenants`, or an operator's key, every request
    under `/v1/` needs the key of one, who sees only their own batches, or of the operator, who sees
    all; `/metrics` needs the operator's. `api_key` is what commands given a `--url` send.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    database_url: str = "sqlite:///winnow.db"
    models: dict[str, EngineConfig] = Field(default_factory=_shipped_models, min_length=1)
    default_model: str = ""
    graders: GradersConfig = Field(default_factory=GradersConfig)
    backend: BackendConfig = LocalConfig()
    recipe_files: list[Path] = []
    protect_files: list[Path] = []
    calibrations: dict[str, Path] = {}
    price_per_engine_hour: Annotated[PositiveFloat, Field(allow_inf_nan=False)] | None = None
    currency: str = Field("", max_length=16)
    tenants: dict[TenantName, TenantConfig] = {}
    operator_key_sha256: list[KeyHash] = []
    api_key: SecretStr | None = None
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    max_count: PositiveInt = 100_000
    max_source_chars: PositiveInt = 200_000
    max_sources: PositiveInt = 100_000
    max_body_bytes: PositiveInt = 64 * 1024 * 1024
    max_running_batches: PositiveInt = 4
    candidate_timeout_seconds: PositiveFloat = 300.0
    lease_seconds: PositiveFloat = 10.0

    @model_validator(mode="after")
    def _default_model_exists(self) -> Self:
        if self.default_model and self.default_model not in self.models:
            known = ", ".join(self.models)
            raise ValueError(f"default_model {self.default_model!r} is none of models: {known}")
        return self

    @model_validator(mode="after")
    def _keys_are_of_one_tenant(self) -> Self:
        Tenants(self.tenants, self.operator_key_sha256)
        return self

    @field_validator("api_key", mode="before")
    @classmethod
    def _key_fits_a_header(cls, key: Any) -> Any:
        """A key read from a file often ends with a line break."""
        stripped = key.strip() if isinstance(key, str) else key
        if isinstance(stripped, str) and not (stripped.isascii() and stripped.isprintable()):
            raise ValueError("holds characters that no key has")
        return stripped

    @property
    def model_name(self) -> str:
        """The model that serves requests which name none."""
        return self.default_model or next(iter(self.models))

    @property
    def client_key(self) -> str | None:
        """What commands given a `--url` send as their key."""
        return self.api_key.get_secret_value() if self.api_key else None

    @property
    def price(self) -> Price | None:
        """The price that new batches are accounted for at."""
        hour = self.price_per_engine_hour
        return None if hour is None else Price(hour, self.currency)


def load_settings(config: str | None = None, **flags: Any) -> Settings:
    """Read file and environment; a flag that is None was not given.

    `config` names the file; else WINNOW_CONFIG does, else it is winnow.toml, if there.
    Raises ConfigurationError.
    """
    _refuse_unknown_variables()
    file = _file(config)
    try:
        return _reading(file)(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as exc:
        raise ConfigurationError(explain(exc, Settings, " = ")) from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigurationError(f"{file} can't be read: {exc}") from exc
    except (SettingsError, ValueError) as exc:
        raise ConfigurationError(f"the configuration can't be read: {exc}") from exc


def settings_for(model: str | None, config: str | None = None, **flags: Any) -> Settings:
    """The settings, with the model that `--model` names as their default.

    It is a configured one, a checkpoint folder, or one of the Hub, told by its slash: org/name.
    Raises ConfigurationError.
    """
    settings = load_settings(config, **flags)
    if model is None:
        return settings
    models = dict(settings.models)
    if model not in models:
        if not ("/" in model or (model and Path(model).is_dir())):
            raise ConfigurationError(
                f"--model: unknown model {model!r}; there are: {', '.join(models)}; or name a "
                "checkpoint folder, or a model of the Hugging Face Hub as org/name"
            )
        models[model] = TransformersConfig(model=model)
    return settings.model_copy(update={"models": models, "default_model": model})


def _reading(file: Path) -> type[Settings]:
    """Settings that take from this file what neither flags nor environment say."""

    class FileSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
            return init_settings, env_settings, toml

    return FileSettings


def _file(config: str | None) -> Path:
    named = config or os.environ.get(CONFIG_VARIABLE)
    if named and not Path(named).is_file():
        asked = "--config" if config else CONFIG_VARIABLE
        raise ConfigurationError(f"{asked} names {named}, which is no file")
    return Path(named) if named else DEFAULT_FILE


def _refuse_unknown_variables() -> None:
    """pydantic-settings passes over variables that match no field; a typo would go unseen.

    Those that Kubernetes sets in every pod beside a Service called winnow-something are let be.
    """
    known = {name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if _OF_A_SERVICE.search(variable):
            continue
        name = variable.upper().removeprefix(ENV_PREFIX).split("__")[0]
        if variable.upper().startswith(ENV_PREFIX) and name not in known | {"CONFIG"}:
            raise ConfigurationError(f"environment: {variable} is no setting of winnow")
