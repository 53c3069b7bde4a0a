"""What an engine's configuration may say: one model per kind, told apart by `kind`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TINY_MODEL = "winnow-tiny"
"""The name of the model that ships with the package."""
Share = Annotated[float, Field(ge=0, le=1)]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TransformersConfig(_Config):
    """`model` is `winnow-tiny`, a checkpoint directory, or a name on the Hub.

    `device` auto is CUDA, else MPS, else CPU; `dtype` auto is bfloat16 on CUDA, else float32.
    `max_batch` requests are decoded at once. `threads` sets PyTorch's threads, else untouched.
    """

    kind: Literal["transformers"] = "transformers"
    model: str = Field(default=TINY_MODEL, min_length=1)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_batch: int = Field(default=64, ge=1, le=1024)
    revision: str = "main"
    trust_remote_code: bool = False
    threads: int | None = Field(default=None, ge=1)


class ScriptedConfig(_Config):
    """The shipped fake. Shares are of requests; `latency_s` is the seconds that each one takes.

    `wrong_rate` of texts state something wrong, `malformed_rate` lack a part, `failure_rate`
    of requests raise EngineError. `context` counts tokens, prompt and reply together.
    """

    kind: Literal["scripted"] = "scripted"
    model: str = Field(default="scripted", min_length=1)
    seed: int = 0
    wrong_rate: Share = 0.3
    malformed_rate: Share = 0.0
    failure_rate: Share = 0.0
    latency_s: float = Field(default=0.0, ge=0)
    tokens_per_word: float = Field(default=1.4, gt=0)
    context: int = Field(default=4096, ge=1)
    concurrency: int = Field(default=64, ge=1)


EngineConfig = Annotated[TransformersConfig | ScriptedConfig, Field(discriminator="kind")]
"""Any engine's configuration; a new kind joins this union and the table in registry.py."""
