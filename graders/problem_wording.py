"""Does a problem speak of what it never brought in? Finds wording that no reader can make sense of.

Each check knows one shape and is sure of it: `benchmarks/answers.py` counts what they object to in
the training problems of GSM8K (Cobbe et al. 2021).
"""

import re
from collections.abc import Iterator
from typing import Final

from graders.quantities import UNITS

Found = tuple[str, int, str]
"""The words at fault, their offset, and what is wrong with them."""

_ONE_OF_MANY = re.compile(r"\ban? \d+ (?P<what>[a-z]+s)\b(?![-'’])")
_EACH_OF_MANY = re.compile(r"\b(?:each|every|one|another) (?P<what>[a-z]+s)\b(?!['’])")
_MANY = re.compile(r"\b(?:\d+|many) ([a-z]+s)\b")
_SINGULAR_ENDS: Final = ("ss", "us", "is", "as", "os")
_TO_ITSELF = re.compile(
    r"\b(?P<who>[A-Z][a-z]+) (?:gives|gave|hands|sends|sent|lends|lent|owes|sells|passes) "
    r"(?P=who)\b(?!['’])"
)
_SHORT_OF_ITSELF = re.compile(
    r"\b(?P<who>[A-Z][a-z]+) (?:(?:is|has) [^.,;?!]{0,60}?)?\b(?:short of|behind|ahead of|beyond) "
    r"(?:what )?(?P=who)\b(?!['’])"
)
_IN_ITSELF = re.compile(
    r"\b(?P<count>\d+) (?P<what>[a-z]+s) of \d+ (?P=what)\b"
    r"|\b(?P<things>[a-z]+s) (?:equally |evenly )?(?:among|between|into) \d+ (?P=things)\b"
)
_LAST_SENTENCE = re.compile(r"(?:^|[.?!]\s)(?P<last>[^.?!]*\?)\s*$")
_COMPARED_NAME = re.compile(r"\bthan (?P<name>(?!\w+day\b)[A-Z][a-z]+)(?=\s*\?)")
_PRICED = re.compile(
    r"\b(?:[Oo]ne|[Ee]ach|[Ee]very) [a-z]+(?: [a-z]+)? (?:costs?|is sold)\b|\bprice of one [a-z]+"
)
_BOUGHT = re.compile(
    r"\b(?:buys|bought|pays for) \d+ (?P<what>[a-z]+(?: [a-z]+)?)"
    r"(?=[.?!]| in | at | on |, (?!each|which|every|that))"
)
_REPRICED = re.compile(
    r"\b[Tt]he price of (?:one|each|every) (?P<what>[a-z]+(?: [a-z]+)?) (?:falls|rises)"
)
_MEASURED_BY = re.compile(
    r"\b(?:that of|as much as|\$\d+ (?:more|less) than) one "
    r"(?!of\b)(?P<what>[a-z]+(?: [a-z]+)?)(?=[.?!])"
)
_SINGLE = re.compile(r"\b(?:[Oo]ne|[Ee]ach|[Ee]very) ([a-z]+)\b")
_COUNTED = re.compile(r"(?<![\d.,/$-])(?:[2-9]|[1-9]\d+) (?P<what>[a-z]+)(?=[.?!])")
_INVARIANT: Final = frozenset("fish sheep deer moose salmon trout shrimp squid series".split())
_WORD = re.compile(r"[a-z]+")


def find_odd_wording(problem: str) -> Iterator[Found]:
    """Each phrase of a problem that can't be meant, with the reason."""
    yield from _number_mismatches(problem)
    for pattern in (_TO_ITSELF, _SHORT_OF_ITSELF):
        for match in pattern.finditer(problem):
            yield match[0], match.start(), f"the problem sets {match['who']!r} against itself"
    for match in _IN_ITSELF.finditer(problem):
        what = match["what"] or match["things"]
        yield match[0], match.start(), f"{what} can't hold or be shared among {what}"
    yield from _stranger(problem)
    yield from _unpriced(problem)
    yield from _unheard_of(problem)


def _number_mismatches(problem: str) -> Iterator[Found]:
    """`a 14 pallets`, `each pallets`; `a 500 pages book` is left alone, and so are units."""
    single = set(_SINGLE.findall(problem))
    counted = set(_MANY.findall(problem))
    for match in _ONE_OF_MANY.finditer(problem):
        end = problem[match.end() : match.end() + 1]
        if match["what"] not in UNITS and end in (",", ".", "?", "!", ""):
            yield match[0], match.start(), f"{match[0]!r} is neither one nor many"
    for match in _COUNTED.finditer(problem):
        word = match["what"]
        if word in single and word not in UNITS and word not in _INVARIANT:
            yield match[0], match.start(), f"{match[0]!r} is neither one nor many"
    for match in _EACH_OF_MANY.finditer(problem):
        if match["what"] in counted and not match["what"].endswith(_SINGULAR_ENDS):
            yield match[0], match.start(), f"{match[0]!r} is neither one nor many"


def _unheard_of(problem: str) -> Iterator[Found]:
    """A price changes that nobody gave, or a price is measured by that of an unknown thing."""
    for match in _REPRICED.finditer(problem):
        if not re.search(rf"\b{match['what']}\b", problem[: match.start()]):
            yield match[0], match.start(), f"no price of {match['what']} was given before"
    for match in _MEASURED_BY.finditer(problem):
        if len(re.findall(rf"\b{match['what']}(?:e?s)?\b", problem)) == 1:
            yield match[0], match.start(), f"nothing else is told of {match['what']}"


def _stranger(problem: str) -> Iterator[Found]:
    """The question compares with somebody of whom the problem has not spoken."""
    question = _LAST_SENTENCE.search(problem)
    for match in _COMPARED_NAME.finditer(question["last"]) if question else ():
        start = question.start("last") + match.start("name") if question else 0
        if len(re.findall(rf"\b{match['name']}\b", problem)) == 1:
            yield match["name"], start, f"nothing is told of {match['name']}"


def _unpriced(problem: str) -> Iterator[Found]:
    """One thing has a price, and another, never heard of, is bought."""
    if not _PRICED.search(problem):
        return
    for match in _BOUGHT.finditer(problem):
        rest = problem[: match.start()] + problem[match.end() :]
        words = match["what"].split()
        known = any(_akin(word, other) for word in words for other in _WORD.findall(rest.lower()))
        if words[0] != "of" and words[-1] != "them" and not known:
            yield match[0], match.start(), f"the problem gives no price of {match['what']}"


def _akin(plural: str, other: str) -> bool:
    """Whether two words are one but for their ending: `scarves`, `scarf`."""
    return other.startswith(plural[: max(3, len(plural) - 3)])
