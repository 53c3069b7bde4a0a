"""A sentence that the model can't read is read again, and must say what the source says."""

from collections.abc import Sequence

import pytest

from graders.base import Completion
from graders.cases import COMPARED, READING_TEMPERATURE, READINGS
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.opinion import CANT_TELL
from graders.prompts import NOTHING, UNCLEAR
from graders.types import Candidate, Grade, Source

SHEET = Source("s", "Name: The Danube\nKind: river\nLength: 2850 km\nFlows into: the Black Sea")
LENGTH, MOUTH = "The Danube is 2850 km long.", "It flows into the Black Sea."
RIGHT, WRONG = "Flows into: the Black Sea", "Kind: the Black Sea"


class Reader:
    """Can't read, greedily, sentences that begin with `hard`; then gives `readings` in turn."""

    def __init__(self, hard: str, *readings: str | None) -> None:
        self.hard, self.readings = hard, readings
        self.asked: list[tuple[float, int]] = []

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        self.asked += [(temperature, seed) for seed in seeds]
        if temperature:
            said = [self.readings[n % READINGS] for n in range(len(prompts))]
            return [Completion(text or "", None if text else "broken") for text in said]
        hard = [f": {self.hard}" in prompt for prompt in prompts]
        return [Completion(UNCLEAR if each else "Name: The Danube") for each in hard]


async def grade(reader: Reader, *sentences: str) -> Grade:
    text = " ".join(sentences)
    grader = ConsistencyGrader(ConsistencyConfig(model=None), reader)
    [found] = await grader.grade([Candidate("b", 0, "essay", text, text, SHEET, seed=5)])
    return found


@pytest.mark.parametrize(
    ("readings", "score"),
    [
        ((RIGHT, RIGHT, RIGHT), 1.0),
        ((UNCLEAR, RIGHT, UNCLEAR), 1.0),
        (("no line at all", RIGHT, RIGHT), 1.0),
        ((UNCLEAR, UNCLEAR, UNCLEAR), 0.25),
        ((RIGHT, WRONG, RIGHT), 0.25),
        ((None, WRONG, RIGHT), 0.25),
        ((NOTHING, NOTHING, NOTHING), 0.25),
        (("Name: The Danube", UNCLEAR, UNCLEAR), 0.25),
        (("Banana: seventeen", UNCLEAR, UNCLEAR), 0.25),
        (("Flows into: the Baltic", UNCLEAR, UNCLEAR), 0.25),
        ((None, RIGHT, RIGHT), None),
        ((None, None, None), None),
    ],
)
async def test_one_reading_must_agree_with_the_source_and_none_disagree(
    readings: tuple[str | None, ...], score: float | None
) -> None:
    found = await grade(Reader("It", *readings), LENGTH, MOUTH)
    assert found.score == score
    [about] = [item for item in found.evidence if item.quote == MOUTH]
    assert about.supports is (score != 0.25)
    if score is None:
        assert "1 of 2 claims: broken" in (found.ungraded or "")
    elif WRONG in readings:
        assert "says 'Kind: the Black Sea'" in about.reason
    else:
        assert about.reason == (COMPARED if score == 1.0 else CANT_TELL)
        assert about.against == ("Flows into: the Black Sea" if score == 1.0 else None)


async def test_readings_are_drawn_with_seeds_of_their_own() -> None:
    reader = Reader("It", RIGHT, RIGHT, RIGHT)
    await grade(reader, LENGTH, MOUTH)
    again = [seed for temperature, seed in reader.asked if temperature == READING_TEMPERATURE]
    assert len(again) == len(set(again)) == READINGS


async def test_what_is_refused_anyway_is_not_read_again() -> None:
    reader = Reader("It", RIGHT, RIGHT, RIGHT)
    found = await grade(reader, "The Danube is 9999 km long.", MOUTH)
    assert found.score is not None and found.score < 0.5
    assert all(not temperature for temperature, _ in reader.asked)
