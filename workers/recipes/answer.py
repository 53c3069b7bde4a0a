"""Recipe `answer`: a question answered from memory, held against the model's other answers.

Closed book: nothing but agreement vouches for it. It wants a model that knows things.
"""

import re

from graders.types import Source
from workers.recipes.base import MalformedTextError, Parsed, Recipe

PROMPT = (
    "Answer the question below in one to five plain sentences. State only what you are sure "
    "of. Begin with 'Answer:'.\n\nQuestion: {source}"
)
_SHAPE = re.compile(r"\s*+Answer:\s*+(?P<answer>\S.*)", re.DOTALL)


def prompt(source: Source) -> str:
    """The user turn for one question."""
    return PROMPT.format(source=source.text.strip())


def parse(text: str) -> Parsed:
    """Take what follows `Answer:`. Raises MalformedTextError when nothing does."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise MalformedTextError("an answer needs to begin with 'Answer:'")
    answer = match["answer"].strip()
    return Parsed({"answer": answer}, body=answer)


RECIPE = Recipe(
    name="answer",
    summary="a question answered from memory; for models that know things, not for winnow-tiny",
    prompt=prompt,
    parse=parse,
    graders=("form", "agreement", "novelty"),
    novelty_field="answer",
)
