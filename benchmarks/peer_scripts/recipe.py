"""The recipe that Winnow runs among its peers: one sentence, judged by a model."""

from graders.types import Source
from workers.recipes import Parsed, Recipe


def prompt(source: Source) -> str:
    """The user turn for one record."""
    return f"Sum up the record below in one sentence.\n\n{source.text}"


def parse(text: str) -> Parsed:
    """The whole text is the sentence."""
    return Parsed({"summary": text.strip()}, body=text.strip())


RECIPE = Recipe(
    name="record",
    summary="a record in one sentence",
    prompt=prompt,
    parse=parse,
    graders=("form", "judge", "novelty"),
    novelty_field="summary",
)
