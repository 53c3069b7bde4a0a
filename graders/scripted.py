"""Grader `scripted`, the shipped fake: passes a set share of candidates, by their seeds alone.

For tests and for benchmarks of everything but grading; a real gate never has it.
"""

import random
from collections.abc import Sequence

from graders.types import Candidate, Evidence, Grade


class ScriptedGrader:
    """Scores 1 with probability `pass_rate`, else 0; the same candidate always alike."""

    name = "scripted"
    version = "1"

    def __init__(self, pass_rate: float) -> None:
        """Raises ValueError for a rate outside [0, 1]."""
        if not 0 <= pass_rate <= 1:
            raise ValueError(f"pass_rate {pass_rate} is not in [0, 1]")
        self._pass_rate = pass_rate

    async def start(self) -> None:
        """Nothing to start."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        return [self._grade(candidate) for candidate in candidates]

    async def aclose(self) -> None:
        """Nothing to close."""

    def _grade(self, candidate: Candidate) -> Grade:
        if random.Random(candidate.seed).random() < self._pass_rate:
            return Grade(self.name, self.version, 1.0)
        refusal = Evidence(candidate.text[:40], "the coin says no", 0, len(candidate.text[:40]))
        return Grade(self.name, self.version, 0.0, (refusal,))
