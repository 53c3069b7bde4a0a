"""The model as judge: prompts, and how their replies are read. The completion is injected.

Both prompts ask for the ground first and the verdict last, so that the verdict can rest on what
was just written (chain of thought before the grade: Zheng et al. 2023, section 3.4).
"""

import re
from dataclasses import dataclass

from graders.errors import UngradedError

CLAIM_PROMPT = (
    "Does the source support the claim? Quote the line of the source that decides, then answer "
    "yes or no.\n\nSource:\n{source}\n\nClaim: {claim}"
)
SOLUTION_PROMPT = (
    "Is the solution of the problem right? Answer yes or no.\n\nProblem: {problem}\n"
    "Solution:\n{solution}"
)
FACTS_PROMPT = (
    "What does the sentence say? Write one line per fact, under these labels where they fit.\n\n"
    "Labels: {labels}\nSentence: {claim}"
)
SOLVE_PROMPT = (
    "Solve the word problem below step by step and give the final answer.\n\nProblem: {problem}"
)
NOTHING, UNCLEAR, UNLISTED = "Nothing", "Unclear", "Other"
"""What FACTS_PROMPT is answered with when there is no fact, no sense, or no such label."""

_QUOTE = re.compile(r"Quote:\s*(?P<quote>.*?)\s*(?:\n|$)")
_ANSWER = re.compile(r"(?:^|\n)\s*Answer:\s*(?P<answer>yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """A judge's reply: does it hold, and the line of the source it quoted (may be empty)."""

    holds: bool
    quote: str


def render_opinion(quote: str, holds: bool) -> str:
    """The reply that `read_opinion` reads; also what the shipped model is trained to write."""
    answer = f"Answer: {'yes' if holds else 'no'}"
    return f"Quote: {quote}\n{answer}" if quote else answer


def read_opinion(reply: str) -> Opinion:
    """Read a judge's reply. Raises UngradedError when it holds no verdict."""
    answer = _ANSWER.search(reply)
    if answer is None:
        raise UngradedError(f"the judge gave no yes or no: {reply[:80]!r}")
    quote = _QUOTE.search(reply)
    return Opinion(answer["answer"].lower() == "yes", quote["quote"] if quote else "")
