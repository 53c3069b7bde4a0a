"""The seam every grader stands behind, and the completion function that some are handed."""

from collections.abc import Sequence
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
