"""Recipe `dialogue`: a student and a tutor talk through a source."""

import re

from graders.types import Source
from workers.recipes.base import MalformedTextError, Parsed, Recipe

PROMPT = (
    "Write a short dialogue between a student and a tutor about the source below. State only "
    "what the source says.\n\nSource:\n{source}"
)
_TURN = re.compile(r"(Student|Tutor): \S.*")
MIN_TURNS = 4


def prompt(source: Source) -> str:
    """The user turn for one source."""
    return PROMPT.format(source=source.text.strip())


def body_start(text: str) -> int | None:
    """The body is the whole text."""
    return len(text) - len(text.lstrip()) if text.strip() else None


def parse(text: str) -> Parsed:
    """Check that every line is a turn and that both speak. Raises MalformedTextError."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    speakers = []
    for line in lines:
        match = _TURN.fullmatch(line)
        if match is None:
            raise MalformedTextError(f"not a 'Student:' or 'Tutor:' turn: {line[:60]!r}")
        speakers.append(match[1])
    if len(lines) < MIN_TURNS or len(set(speakers)) < 2:
        raise MalformedTextError(f"a dialogue needs {MIN_TURNS} turns and both speakers")
    return Parsed({"dialogue": text.strip()}, body=text.strip())


RECIPE = Recipe(
    name="dialogue",
    summary="a student and a tutor talk through a source",
    prompt=prompt,
    parse=parse,
    graders=("form", "consistency", "novelty"),
    novelty_field="dialogue",
    body_start=body_start,
)
