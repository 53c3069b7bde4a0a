"""Recipe `essay`: a thesis sentence, then an essay that keeps to its source."""

import re

from graders.claims import split_sentences
from graders.types import Source
from workers.recipes.base import MalformedTextError, Parsed, Recipe

PROMPT = (
    "Write an essay about the source below. Begin with one thesis sentence, then five to eight "
    "sentences. State only what the source says.\n\nSource:\n{source}"
)
FEWEST, MOST = 4, 14
"""Sentences of an essay, its thesis counted: what is asked for, with some room on both sides."""
_STOP = re.compile(r"[.!?][^\w\s]*+(?=\s|\Z)|\w[^\w\s.!?]*+(?=\s*\Z|[ \t]*\n)")
"""Where a sentence may end: a full stop or its like, or the end of a line."""
SPARE = 3
"""So many stops of abbreviations ("St. Paul") make no difference; else sentences are split, which
costs more than all else that the loop does for a text.
"""
_SHAPE = re.compile(r"\s*Thesis:\s*(?P<thesis>\S[^\n]*)\n\s*+Essay:\s*(?P<essay>\S.*)", re.DOTALL)

_THESIS = re.compile(r"\s*Thesis:\s*(?=\S)")


def prompt(source: Source) -> str:
    """The user turn for one source."""
    return PROMPT.format(source=source.text.strip())


def body_start(text: str) -> int | None:
    """The body begins with the thesis."""
    match = _THESIS.match(text)
    return match.end() if match else None


def parse(text: str) -> Parsed:
    """Split `Thesis: …` and `Essay: …`.

    Raises MalformedTextError when either is missing, and for far fewer or more sentences than
    were asked for.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise MalformedTextError("an essay needs a 'Thesis:' line and then an 'Essay:' part")
    thesis, essay = match["thesis"].strip(), match["essay"].strip()
    body = text[match.start("thesis") :].strip()
    count = len(_STOP.findall(body))
    if not FEWEST + SPARE <= count <= MOST:
        count = len(split_sentences(body))
    if not FEWEST <= count <= MOST:
        raise MalformedTextError(
            f"sentences in all: {count}, where a thesis and five to eight more were asked for, and "
            f"{FEWEST} to {MOST} are taken"
        )
    return Parsed({"thesis": thesis, "essay": essay}, body=body)


def render(thesis: str, essay: str) -> str:
    """The text that `parse` reads."""
    return f"Thesis: {thesis}\nEssay: {essay}"


RECIPE = Recipe(
    name="essay",
    summary="a thesis sentence, then an essay that keeps to its source",
    prompt=prompt,
    parse=parse,
    graders=("form", "consistency", "novelty"),
    novelty_field="essay",
    body_start=body_start,
)
