"""What an engine's configuration may say: one model per kind, told apart by `kind`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

TINY_MODEL = "winnow-tiny"
"""The name of the model that ships with the package."""
UNSTRUCTURED = (
    "the engine `transformers` can't hold a text to a JSON schema; those that can are `vllm`, "
    "`openai` and `scripted`"
)
Share = Annotated[float, Field(ge=0, le=1)]


class _Config(BaseModel):
    """`structured` tells whether the engine can hold a reply to a JSON schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    structured: ClassVar[bool] = True


class TransformersConfig(_Config):
    """`model` is `winnow-tiny`, a checkpoint directory, or a name on the Hub.

    `device` auto is CUDA, else MPS, else CPU; `dtype` auto is bfloat16 on CUDA, else float32.
    `max_batch` requests are decoded at once. `threads` sets PyTorch's threads, else untouched.
    """

    structured: ClassVar[bool] = False
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


class OpenAIConfig(_Config):
    """An endpoint that speaks OpenAI's chat completions; `base_url` usually ends in /v1.

    `api_key_env` names the environment variable that holds the key. `concurrency` is the most
    requests out at once; the endpoint's 429s and time-outs lower it for a while. A try may take
    `timeout_s`; `backoff_s` is the longest pause before the second, and doubles. `context` counts
    tokens, where the endpoint does not tell. `extra_body` goes into every request as it is.
    """

    kind: Literal["openai"] = "openai"
    base_url: str = Field(pattern=r"^https?://[^\s@]+$")
    model: str = Field(min_length=1)
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    concurrency: int = Field(default=64, ge=1, le=4096)
    timeout_s: float = Field(default=120.0, gt=0)
    retries: int = Field(default=6, ge=0, le=100)
    backoff_s: float = Field(default=0.5, gt=0)
    context: int | None = Field(default=None, ge=1)
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)


class VllmConfig(_Config):
    """vLLM in this process. `model` is `winnow-tiny`, a checkpoint directory, or a Hub name.

    At most `max_batch` requests run at once (vLLM's max_num_seqs). `engine_args` are passed to
    vLLM by name (tensor_parallel_size, pipeline_parallel_size, quantization, dtype, …); names
    that the installed vLLM does not know are refused when the engine starts.
    """

    kind: Literal["vllm"] = "vllm"
    model: str = Field(default=TINY_MODEL, min_length=1)
    max_batch: int = Field(default=256, ge=1, le=65536)
    engine_args: dict[str, Any] = Field(default_factory=dict)

    @field_validator("engine_args")
    @classmethod
    def _one_place_each(cls, given: dict[str, Any]) -> dict[str, Any]:
        for theirs, ours in (("model", "model"), ("max_num_seqs", "max_batch")):
            if theirs in given:
                raise ValueError(f"{theirs} is set by {ours}, beside engine_args")
        return given


EngineConfig = Annotated[
    TransformersConfig | ScriptedConfig | OpenAIConfig | VllmConfig, Field(discriminator="kind")
]
"""Any engine's configuration; a new kind joins this union and the table in registry.py."""
