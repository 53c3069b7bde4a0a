"""Recipe `problem_set`: a word problem, its worked solution and the final answer."""

import re

from graders.types import Source
from workers.recipes.base import MalformedTextError, Parsed, Recipe

PROMPT = (
    "Write a new word problem on the topic below, then solve it step by step and give the final "
    "answer.\n\n{source}"
)
_SHAPE = re.compile(
    r"\s*+Problem:\s*+(?>(?P<problem>\S.*?)\n[^\S\n]*+Solution:)\s*+(?P<solution>\S.*?)"
    r"\n[^\S\n]*+Answer:\s*+(?P<answer>\S[^\n]*+)\s*+",
    re.DOTALL,
)
_SECOND = re.compile(r"^\s*(?:Problem|Solution|Answer):", re.MULTILINE)


def prompt(source: Source) -> str:
    """The user turn for one topic or seed problem."""
    return PROMPT.format(source=source.text.strip())


def parse(text: str) -> Parsed:
    """Split problem, solution and answer. Raises MalformedTextError when one is missing."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise MalformedTextError("a problem needs 'Problem:', 'Solution:' and one 'Answer:' line")
    if _SECOND.search(match["solution"]) or _SECOND.search(match["problem"]):
        raise MalformedTextError("'Problem:', 'Solution:' or 'Answer:' stands there twice")
    fields = {name: match[name].strip() for name in ("problem", "solution", "answer")}
    return Parsed(
        fields, body=fields["solution"], question=fields["problem"], answer=fields["answer"]
    )


def render(problem: str, solution_and_answer: str) -> str:
    """The text that `parse` reads; the second argument is steps, then an `Answer:` line."""
    return f"Problem: {problem}\nSolution:\n{solution_and_answer}"


RECIPE = Recipe(
    name="problem_set",
    summary="a word problem, its worked solution and the final answer",
    prompt=prompt,
    parse=parse,
    graders=("form", "answers", "novelty"),
    novelty_field="problem",
)
