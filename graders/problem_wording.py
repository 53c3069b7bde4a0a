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

_ONE_OF_MANY = re.compile(
    r"\b(?:for|of|buys?|wants?|needs?) (?P<quote>an? \d+ (?P<what>[a-z]+s))\b(?![-'’])"
)
_EACH_OF_MANY = re.compile(
    r"\b(?:each|every) (?P<what>[a-z]+s)\b(?!['’]| (?:\d|an?\b|the\b|h(?:is|er)\b|their\b))"
)
_MANY = re.compile(r"\b(?:\d+|many) ([a-z]+s)\b")
_SINGULAR_ENDS: Final = ("ss", "us", "is", "as", "os")
_INVARIANT: Final = frozenset(
    "aircraft deer fish means moose offspring salmon series sheep shrimp species squid "
    "trout".split()
)
_TO_ITSELF = re.compile(
    r"(?<![-\w])(?P<who>[A-Z][a-z]+) (?:gives|gave|hands|sends|sent|lends|lent|owes|sells|passes) "
    r"(?P=who)\b(?!['’-])"
)
_SHORT_OF_ITSELF = re.compile(
    r"\b(?P<who>[A-Z][a-z]+) (?:(?:is|has) (?:(?!who\b|that\b|than\b)[^.,;?!]){0,60}?)?"
    r"\b(?:short of|behind|ahead of|beyond) (?:what )?(?P=who)(?: (?:has|had))?(?=\s*[.?!,])"
)
_IN_ITSELF = re.compile(
    r"\b(?P<things>[a-z]+s) (?:equally|evenly) (?:among|between) \d+ (?P=things)\b"
)
_SENTENCE = re.compile(r"[^\s.!?](?:[^.!?]|\.(?=\d))*+[.!?]*")
_OPENING = re.compile(r"(?:then|next|later|now|finally|after that|also),? ")
_LEAST_REPEATED: Final = 4
_FOR_ONE_COSTS = re.compile(r"\b[Ff]or one [a-z]+(?: [a-z]+)? costs?\b")
_AS_MUCH_AS_ITSELF = re.compile(
    r"\b(?:[Oo]ne|[Ee]ach|[Ee]very) (?P<what>[a-z]+(?: [a-z]+)?),? (?:people pay|costs?) "
    r"[^.,;?!]{1,40}?(?:than|as)(?: for)? (?:one|each|every) (?P=what)\b"
)
_SHARE_ASKED = re.compile(
    r"\b(?:one|each|every) (?P<who>[a-z]+) (?:receives?|gets?)\b[^.?!]{0,99}\?"
)
_LAST_SENTENCE = re.compile(r"(?:^|[.?!]\s)(?P<last>[^.?!]*\?)\s*$")
_COMPARED_NAME = re.compile(
    r"\bthan (?P<name>(?!\w+day\b|(?:Dad|Daddy|Mom|Mum|Grandma|Grandpa)\b)[A-Z][a-z]+)(?=\s*\?)"
)
_PRICED = re.compile(
    r"\b(?:[Oo]ne|[Ee]ach|[Ee]very) (?:[a-z]+ )?(?P<one>[a-z]+) costs?\b"
    r"|\bprice of one (?:[a-z]+ )?(?P<other>[a-z]+) is\b"
)
_BOUGHT = re.compile(
    r"\b(?:buys|bought) (?P<count>\d+) (?P<what>[a-z]+(?: [a-z]+)?)"
    r"(?=[.?!]| in the | at the | on the |, (?!each|which|every|that|spending|paying|costing|for))"
)
_BOUGHT_AT = re.compile(r"\b(?:buys|bought) \d+ [a-z]+(?: [a-z]+)? of \$\d+")
_NO_THING: Final = frozenset(
    "more fewer of dozen pairs people mice geese dice pieces packs".split()
)
_KINDS: Final = frozenset("item product thing article fruit vegetable pastry snack drink".split())
"""What may stand for things that were named before, or are named after."""
_REPRICED = re.compile(
    r"\b[Tt]he price of (?:one|each|every) (?P<what>[a-z]+(?: [a-z]+)?) (?:falls|rises) by\b"
)
_MEASURED_BY = re.compile(
    r"\b(?:that of|as much as|\$\d+ (?:more|less) than) one "
    r"(?!of\b)(?P<what>[a-z]+(?: [a-z]+)?)(?=[.?!])"
)


def find_odd_wording(problem: str) -> Iterator[Found]:
    """Each phrase of a problem that can't be meant, with the reason."""
    yield from _number_mismatches(problem)
    for pattern in (_TO_ITSELF, _SHORT_OF_ITSELF):
        for match in pattern.finditer(problem):
            yield match[0], match.start(), f"the problem sets {match['who']!r} against itself"
    for match in _IN_ITSELF.finditer(problem):
        what = match["things"]
        if re.search(r"\bfrom (?:\w+ )?$", problem[: match.start()]):
            continue
        yield match[0], match.start(), f"{what} can't be shared among {what}"
    for match in _FOR_ONE_COSTS.finditer(problem):
        yield match[0], match.start(), f"{match[0]!r} is no clause"
    for match in _AS_MUCH_AS_ITSELF.finditer(problem):
        yield match[0], match.start(), f"the price of {match['what']} is compared with itself"
    yield from _said_twice(problem)
    yield from _misnamed(problem)
    yield from _stranger(problem)
    yield from _purchases(problem)
    yield from _unheard_of(problem)


def _number_mismatches(problem: str) -> Iterator[Found]:
    """`for a 14 pallets`, `each pallets`; `needs a 500 pages book` is left alone, so are units."""
    counted = set(_MANY.findall(problem)) - _INVARIANT
    for match in _ONE_OF_MANY.finditer(problem):
        end = problem[match.end() : match.end() + 1]
        if match["what"] not in UNITS and end in (",", ".", "?", "!", ""):
            yield (
                match["quote"],
                match.start("quote"),
                f"{match['quote']!r} is neither one nor many",
            )
    for match in _EACH_OF_MANY.finditer(problem):
        if match["what"] in counted and not match["what"].endswith(_SINGULAR_ENDS):
            yield match[0], match.start(), f"{match[0]!r} is neither one nor many"


def _unheard_of(problem: str) -> Iterator[Found]:
    """A price changes that nobody gave, or a price is measured by that of an unknown thing."""
    for match in _REPRICED.finditer(problem):
        if match["what"] not in _KINDS and not _speaks_of(match["what"], problem[: match.start()]):
            yield match[0], match.start(), f"no price of {match['what']} was given before"
    for match in _MEASURED_BY.finditer(problem):
        if not _speaks_of(match["what"], problem[: match.start()] + problem[match.end() :]):
            yield match[0], match.start(), f"nothing else is told of {match['what']}"


def _said_twice(problem: str) -> Iterator[Found]:
    """A sentence with a number in it comes twice: is it one event or two?"""
    told: set[str] = set()
    for match in _SENTENCE.finditer(problem):
        words = _OPENING.sub("", match[0].casefold(), count=1)
        if words in told and len(words.split()) >= _LEAST_REPEATED and re.search(r"\d", words):
            yield match[0], match.start(), "the problem says this twice"
        told.add(words)


def _misnamed(problem: str) -> Iterator[Found]:
    """Who gets a share is called by the first letters of a word: `wra`, of `wrappers`."""
    for match in _SHARE_ASKED.finditer(problem):
        who, rest = match["who"], problem[: match.start()]
        forms = {who, f"{who}s", f"{who}es", f"{who[:-1]}ies", f"{who}ren", f"{who}en"}
        words = {word.casefold() for word in re.findall(r"[^\W\d_]+", rest)}
        longer = [word for word in words if word.startswith(who)]
        if longer and words.isdisjoint(forms):
            yield who, match.start("who"), f"the problem speaks of {min(longer)}, not of {who!r}"


def _stranger(problem: str) -> Iterator[Found]:
    """The question compares with somebody of whom the problem has not spoken."""
    question = _LAST_SENTENCE.search(problem)
    for match in _COMPARED_NAME.finditer(question["last"]) if question else ():
        start = question.start("last") + match.start("name") if question else 0
        name = match["name"]
        word = rf"\b{name[:4]}" if len(name) > 4 else rf"\b{name}\b"
        if len(re.findall(word, problem, re.IGNORECASE)) == 1:
            yield name, start, f"nothing is told of {name}"


def _purchases(problem: str) -> Iterator[Found]:
    """One thing has a price, and another, never heard of, is bought; or `3 muffin` are."""
    priced = {match["one"] or match["other"] for match in _PRICED.finditer(problem)}
    for match in _BOUGHT_AT.finditer(problem) if priced else ():
        yield match[0], match.start(), "a price was given before"
    for match in _BOUGHT.finditer(problem) if priced and not priced & _KINDS else ():
        words = match["what"].split()
        rest = problem[: match.start()] + problem[match.end() :]
        if words[-1] in priced - _INVARIANT and int(match["count"]) > 1:
            yield match[0], match.start(), f"{match['what']!r} is neither one nor many"
        elif (_NO_THING | UNITS.keys()).isdisjoint(words) and not any(
            _akin(word, rest) for word in words
        ):
            yield match[0], match.start(), f"the problem gives no price of {match['what']}"


def _speaks_of(thing: str, text: str) -> bool:
    """Whether a text has this phrase, in the singular or as a regular plural."""
    plural = thing[:-1] + "ies" if thing.endswith("y") else f"{thing}e?s"
    return bool(re.search(rf"\b(?:{thing}|{plural})\b", text, re.IGNORECASE))


def _akin(plural: str, text: str) -> bool:
    """Whether a text has a word that differs in its ending only: `scarves`, `scarf`."""
    return bool(re.search(rf"\b{plural[: max(3, len(plural) - 3)]}", text, re.IGNORECASE))
