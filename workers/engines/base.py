"""The contract of an engine: one request in, one generation out; batching is its own affair.

Callers run many `generate` coroutines at once. An engine batches them as it likes (micro-batches,
continuous batching, a pool of connections), and must give the same request with the same seed
the same distribution of texts, whatever else runs beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

FinishReason = Literal["stop", "length", "aborted"]
OnText = Callable[[str], bool]
"""Called with all text generated so far, now and then; returning False aborts the generation."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One user turn to be answered by the model under its own chat template.

    `temperature` 0 is greedy. `stop` strings end the text and are not part of it. `urgent` requests
    go before others that wait, where the engine itself decides that: graders' questions, whose
    replies may end a text that is still being written. With a `json_schema` the reply is JSON of
    that schema, unless it is cut short; an engine that can't see to that raises EngineError.
    """

    prompt: str
    seed: int
    max_tokens: int = 512
    temperature: float = 0.8
    top_p: float = 0.95
    stop: tuple[str, ...] = ()
    urgent: bool = False
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Generation:
    """What came back. `seconds` is this request's share of the engine's busy time.

    At every moment (on `transformers`: in every step) the requests in flight share it equally, so
    the seconds of all requests add up to the time that the engine was busy, never to more. An
    endpoint (`openai`) counts as busy while it has a request of ours, also one that waits there.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class Engine(Protocol):
    """Runs one model.

    `start` loads it (raises EngineUnavailableError, saying what is broken and what to do).
    `generate` raises EngineError subclasses, EngineDiedError when this engine will never answer
    again; cancelling the coroutine frees its slot.
    `concurrency` is how many requests keep it busy without queueing.
    """

    model: str
    concurrency: int

    async def start(self) -> None: ...

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation: ...

    async def aclose(self) -> None: ...
