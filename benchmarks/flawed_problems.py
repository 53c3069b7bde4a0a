"""Puts a flaw into a sound word problem, to see whether it is found.

The flaws are of the shapes that `graders.problem_validity` looks for: what is found of them says
that the checks work in real wording, not how many flaws of real models they find.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from graders.claims import split_sentences

_HAS = re.compile(
    r"^(?P<who>[A-Z][a-z]+) (?P<verb>has|had) (?P<count>\d+) (?P<what>[a-z]+)(?=[.,]| and\b)"
)
_MORE_THAN = re.compile(
    r"\b([A-Z][a-z]+) (has|is|have|had|weighs) [^.?!,]{0,40}\bthan ([A-Z][a-z]+)(?=[.,;?])"
)


def _asks_nothing(problem: str) -> str | None:
    kept = [s.text for s in split_sentences(problem) if "?" not in s.text]
    text = " ".join(kept)
    told = bool(kept) and not re.search(r"\b(?:how|what|find|calculate|determine)\b", text, re.I)
    return text if told else None


def _no_number(problem: str) -> str | None:
    question = split_sentences(problem)[-1].text
    plain = re.fullmatch(r"How (?:many|much) [A-Za-z ,']+\?", question)
    return f"There are some of them. {question}" if plain else None


def _counted_twice(problem: str) -> str | None:
    first = split_sentences(problem)[0].text
    found = _HAS.match(first)
    if found is None:
        return None
    again = f"{found['who']} {found['verb']} {int(found['count']) + 3} {found['what']}."
    return f"{first} {again} {problem[len(first) :].strip()}"


def _against_itself(problem: str) -> str | None:
    found = _MORE_THAN.search(problem)
    if found is None or found[1] == found[3]:
        return None
    return problem[: found.start(3)] + found[1] + problem[found.end(3) :]


def _both_ways(problem: str) -> str | None:
    found = re.search(
        r"\b([A-Z][a-z]+) is (\d+ years )?(older|younger|taller) than ([A-Z][a-z]+)(?=[.,])",
        problem,
    )
    if found is None:
        return None
    end = problem.find(".", found.end())
    again = f" {found[4]} is {found[2] or ''}{found[3]} than {found[1]}."
    return None if end < 0 else problem[: end + 1] + again + problem[end + 1 :]


def _too_much_taken(problem: str) -> str | None:
    first = split_sentences(problem)[0].text
    found = _HAS.match(first)
    if found is None or len(re.findall(r"\d+", first)) > 1:
        return None
    taken = f"{found['who']} gives away {int(found['count']) + 4} {found['what']}."
    return f"{first} {taken} {problem[len(first) :].strip()}"


def _part_of_a_person(problem: str) -> str | None:
    found = re.search(
        r"\b(\d+) (students|people|children|friends|boys|girls|players|books)\b", problem
    )
    if found is None or re.search(r"\b(?:average|per|every|each|times|ratio|rate)\b", problem):
        return None
    return problem[: found.start()] + f"{found[1]}.5 {found[2]}" + problem[found.end() :]


def _over_a_hundred(problem: str) -> str | None:
    found = re.search(r"\b(\d{1,2})% of the (students|people|children|boys|girls|players|guests) "
                      r"(?:are|were|have|like|play)\b", problem)  # fmt: skip
    if found is None:
        return None
    return problem[: found.start()] + f"{found[1]}5" + problem[found.start() + len(found[1]) :]


FLAWS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "asks nothing": _asks_nothing,
    "gives no number": _no_number,
    "two counts of one thing": _counted_twice,
    "compared with itself": _against_itself,
    "each older than the other": _both_ways,
    "more taken than there is": _too_much_taken,
    "a part of a person": _part_of_a_person,
    "over 100% of them": _over_a_hundred,
}
"""A name, and what makes that flaw of a problem; None where it does not fit the problem."""


def flawed(problem: str, kind: str) -> str | None:
    """The problem with a flaw of that kind, None where its wording gives no room for it."""
    return FLAWS[kind](problem)
