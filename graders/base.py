"""The seam every grader stands behind, and the completion function that some are handed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from graders.types import Candidate, Grade


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's reply to one grading prompt; `error` says why there is none."""

    text: str
    error: str | None = None


class Complete(Protocol):
    """Asks a model. Replies come in the order of the prompts; one failure spoils one reply only."""

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]: ...


class AskAhead(Protocol):
    """Asks the model greedily about a text that is still being written; any thread may.

    `hear` gets the reply, unless the text ends before. A grader that asks the same question about
    the whole text gets the same reply, at no further cost.
    """

    def __call__(
        self, prompt: str, *, max_tokens: int, hear: Callable[[Completion], None]
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Model:
    """A model that graders may ask; `name` is its checkpoint's, as in `Candidate.model`."""

    name: str
    complete: Complete


Models = Callable[[str], Model]
"""A model by its name in the configuration; GraderConfigError when no model has that name."""


class Grader(Protocol):
    """Judges candidates.

    `grade` returns one Grade per candidate, in order. It never raises for a candidate that it
    can't judge: that one gets `ungraded` with the reason. What it raises is a GraderError that
    concerns all of them.
    """

    name: str
    version: str

    async def start(self) -> None: ...

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]: ...

    async def aclose(self) -> None: ...
