"""The model's second opinion on the claims of a text: what it is asked, and how it is held to it.

A source of labelled lines: the model says what a claim states, without seeing the source, and the
lines are compared (extract and compare: Wang et al. 2020, QAGS, section 3). A problem: the model
solves it anew and the text must reach that answer. Prose: a verdict on each claim.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from graders.claims import Claim
from graders.equivalence import same_answer
from graders.errors import UngradedError
from graders.final_answer import answer_in
from graders.prompts import (
    CLAIM_PROMPT,
    FACTS_PROMPT,
    NOTHING,
    SOLVE_PROMPT,
    UNCLEAR,
    read_opinion,
)
from graders.quantities import UNITS, find_quantities
from graders.source_index import Index, Line, is_negative, words_of
from graders.source_kind import fact_lines, is_problem

MAX_TOKENS: Final = 200
"""Enough for the longest reply, a solution; the others end by themselves."""
CANT_TELL: Final = "the model can't tell what this says"
_ARTICLES: Final = frozenset({"the", "a", "an", "about"})
_UNIT_WORD: Final = re.compile(r"[ \u00a0-]?(?P<unit>km[2²]|[^\W\d_]+|%)")


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt about the claim at `place`; `kind` says how its reply is to be read."""

    kind: str
    place: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the model's reply speaks against a claim, and the words that it was held against."""

    reason: str
    against: str | None


def questions(index: Index, claims: Sequence[Claim], places: Sequence[int]) -> Iterator[Question]:
    """What to ask about the claims at `places`, which is not empty."""
    source = index.text.strip()
    if labels := fact_lines(index):
        for place in places:
            said = claims[place].text
            prompt = FACTS_PROMPT.format(
                labels=", ".join(labels), claim=f"{said[:1].upper()}{said[1:].rstrip('.')}."
            )
            yield Question("facts", place, prompt)
    elif is_problem(index):
        stated = [place for place in places if find_quantities(claims[place].text)]
        problem = source.removeprefix("Problem:").strip()
        yield Question("solve", (stated or places)[-1], SOLVE_PROMPT.format(problem=problem))
    else:
        for place in places:
            prompt = CLAIM_PROMPT.format(source=source, claim=claims[place].text)
            yield Question("verdict", place, prompt)


def objection(question: Question, reply: str, claim: Claim, index: Index) -> Objection | None:
    """What the reply holds against the claim, if anything. Raises UngradedError if unreadable."""
    if question.kind == "facts":
        return _compare(reply, claim, fact_lines(index))
    if question.kind == "solve":
        return _other_answer(reply, claim)
    opinion = read_opinion(reply)
    if opinion.holds:
        return None
    reason = "the model, asked whether the source supports this, says no"
    return Objection(reason, opinion.quote.strip() or None)


def says_the_same(reply: str, claim: Claim, index: Index) -> bool:
    """Whether a reply to a question of kind `facts` states a line of the source, other than its
    subject, that the claim holds.
    """
    lines = fact_lines(index)
    subject = next(iter(lines)).casefold()
    folded = {label.casefold(): given for label, given in lines.items()}
    for stated in reply.splitlines():
        label, _, value = (part.strip() for part in stated.partition(":"))
        given = folded.get(label.casefold(), ()) if label.casefold() != subject else ()
        if _holds(claim.text, value) and any(
            _holds(line.value, value) or _ends(line.value, value) for line in given
        ):
            return True
    return False


def _compare(reply: str, claim: Claim, labels: Mapping[str, Sequence[Line]]) -> Objection | None:
    """The first stated line that the source contradicts.

    A claim that is about a label must hold a value that the source has for it. The model may slip,
    too: a subject or an unlisted value that the claim does not hold is not what it states.
    """
    stated_lines = [line.strip() for line in reply.strip().splitlines() if line.strip()]
    if not stated_lines:
        raise UngradedError("the model said nothing about what the sentence states")
    if stated_lines == [NOTHING]:
        return None
    if UNCLEAR in stated_lines:
        return Objection(CANT_TELL, None)
    folded = {label.casefold(): lines for label, lines in labels.items()}
    subject = next(iter(folded))
    for stated in stated_lines:
        label, colon, value = (part.strip() for part in stated.partition(":"))
        if not colon:
            raise UngradedError(f"the model's reply is no labelled line: {stated[:60]!r}")
        lines = folded.get(label.casefold(), ())
        said = _holds(claim.text, value)
        if not lines and said:
            return Objection(f"this states {value!r}, under no label of the source", None)
        if not lines or any(_agrees(line, claim, value, said) for line in lines):
            continue
        if said or label.casefold() != subject:
            against = lines[0].text
            return Objection(f"this says {stated!r}, the source {against!r}", against)
    return None


def _agrees(line: Line, claim: Claim, value: str, said: bool) -> bool:
    return _holds(claim.text, line.value) or (said and _ends(line.value, value))


def _holds(claim: str, value: str) -> bool:
    """Whether a claim has the words and quantities of a value, and does not deny them."""
    wanted, given = _plain(value), _plain(claim)
    spans = range(len(given) - len(wanted) + 1)
    return (
        bool(wanted)
        and is_negative(claim) == is_negative(value)
        and any(given[at : at + len(wanted)] == wanted for at in spans)
    )


def _ends(given: str, stated: str) -> bool:
    """Whether the stated value is the end of the given one: `Herschel`, `William Herschel`."""
    one, other = _plain(given), _plain(stated)
    return bool(other) and one[-len(other) :] == other and is_negative(given) == is_negative(stated)


@lru_cache(maxsize=4096)
def _plain(text: str) -> tuple[str, ...]:
    """The folded words of a text, each quantity as its value: 2,850 km and 2850 kilometres meet."""
    found: list[str] = []
    at = 0
    for quantity in find_quantities(text):
        if quantity.start < at:
            continue
        found += _words(text[at : quantity.start])
        measured = quantity.base is not None
        found.append(f"#{quantity.base if measured else quantity.value} {quantity.dimension}")
        unit = _UNIT_WORD.match(text, quantity.end) if measured else None
        at = unit.end() if unit and unit["unit"].lower() in UNITS else quantity.end
    return (*found, *_words(text[at:]))


def _words(text: str) -> list[str]:
    return [w for w in (word.casefold() for word in words_of(text)) if w not in _ARTICLES]


def _other_answer(reply: str, claim: Claim) -> Objection | None:
    """The claim must name the answer of the model's own solution, after its equals sign if any."""
    solved = answer_in(reply)
    if solved is None:
        raise UngradedError("the model's own solution reaches no answer")
    concluded = claim.text.rpartition("=")[2]
    if any(same_answer(solved, number.text) for number in find_quantities(concluded)):
        return None
    return Objection(f"solving the problem anew gives {solved}", None)
