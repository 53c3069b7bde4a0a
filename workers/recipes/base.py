"""The contract of a recipe: a prompt, a parser for what comes back, and the graders it needs.

Your own recipe is one file with a module-level `RECIPE: Recipe`; see README, "Your own recipe".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graders.types import Source


class MalformedTextError(ValueError):
    """The text does not have the recipe's shape; the message names what is missing."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a recipe's parser found.

    `fields` is what a user receives (thesis, essay, …). `body`, `question` and `answer` are what
    the graders read: see graders.types.Candidate. `body` and `question` are verbatim parts of the
    text where possible, so that evidence keeps its offsets.
    """

    fields: Mapping[str, str]
    body: str
    question: str | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make.

    `prompt(source)` renders the user turn, shared words first so that prefixes can be cached.
    `parse(text)` returns the parts or raises MalformedTextError.
    `graders` names the graders that a sample must pass; `novelty_field` the field that must be new.
    `body_start(text)` lets a text be judged while it is written: where the body will begin of every
    well-shaped text that begins with `text`, or None as long as that is open. From there on the
    body must be the text itself, but for white space at its end. Without it only `form` looks on.
    `json_schema` makes the text JSON of that schema: the engine lets the model write nothing else.
    `vllm`, `openai` and `scripted` can, with the keywords that each of them knows; for another a
    batch is refused. Say which properties are `required`. A text that was cut off at `max_tokens`
    is no JSON, so `parse` raises MalformedTextError where json.loads raises ValueError.
    """

    name: str
    summary: str
    prompt: Callable[[Source], str]
    parse: Callable[[str], Parsed]
    graders: tuple[str, ...]
    novelty_field: str
    max_tokens: int = 400
    temperature: float = 0.5
    top_p: float = 0.9
    stop: tuple[str, ...] = field(default=())
    body_start: Callable[[str], int | None] | None = None
    json_schema: Mapping[str, Any] | None = None
