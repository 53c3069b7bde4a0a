"""What graders ask a model, and how its replies are read.

Where a verdict is asked for, the ground comes first and the verdict last, so that it can rest on
what was just written (chain of thought before the grade: Zheng et al. 2023, section 3.4). All but
VERDICT_PROMPT are in the words that winnow-tiny was trained on: change none of them.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

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
VERDICT_PROMPT = (
    "Does the source support the claim? Judge by the source alone, not by what you know. Every "
    "number, name, date and relation of the claim must be there.\n\nSource:\n{source}\n\n"
    "Claim: {claim}\n\nReply with exactly these two lines:\n"
    "Quote: <the words of the source that decide, copied exactly, or none>\n"
    "Verdict: <supported, unsupported or cannot tell>"
)
"""For models at large. A claim may carry the sentence before it: see `claim_in_context`."""
FOLLOWS = " (It follows the sentence: "
NOTHING, UNCLEAR, UNLISTED = "Nothing", "Unclear", "Other"
"""What FACTS_PROMPT is answered with when there is no fact, no sense, or no such label."""

_VERDICT = re.compile(
    r"^[ \t>*]*Verdict[ \t*]*:[ \t*]*(supported|unsupported|cannot tell)[ \t.*]*$",
    re.IGNORECASE | re.MULTILINE,
)
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


class Stance(StrEnum):
    """What a judge may say of a claim."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A judge's reply to VERDICT_PROMPT, and the words of the source it quoted (may be empty)."""

    stance: Stance
    quote: str


def claim_in_context(claim: str, before: str) -> str:
    """The claim with the sentence before it, which says what its pronouns stand for."""
    return f"{claim}{FOLLOWS}{before})" if before else claim


def render_ruling(stance: Stance, quote: str) -> str:
    """The reply that `read_ruling` reads."""
    return f"Quote: {quote or 'none'}\nVerdict: {stance}"


def read_ruling(reply: str) -> Ruling:
    """Read the one verdict of a reply. Raises UngradedError when there is none, or two differ."""
    stances = {match.lower() for match in _VERDICT.findall(reply)}
    if len(stances) != 1:
        fault = "contradicts itself" if stances else "gave no verdict"
        raise UngradedError(f"the judge {fault}: {reply[-80:]!r}")
    quote = _QUOTE.search(reply)
    said = quote["quote"].strip("\"'“” ") if quote else ""
    return Ruling(Stance(stances.pop()), "" if said.casefold() == "none" else said)
