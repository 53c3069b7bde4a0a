"""Reads word problems that mix what the composer keeps apart, and mean one thing all the same.

A model blends: the things of one theme with the verbs of another, the opening of one phrasing
with the end of another ("The price of one brick costs $13"). Such a sentence is odd, not wrong.
What is no word, no known place or no thing of any theme stays unread.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

from .problem_grammar import FAMILIES, Fact, choices, compile_template
from .themes import Theme, names, themes

_OPENERS = (
    "At first",
    "Then",
    "Later",
    "After that",
    "On the next day",
    "In the end",
    "At the end",
    "Finally",
    "In a sale",
    "After a price increase",
)
_OPENER = re.compile(rf"^(?:{'|'.join(_OPENERS)})(?:, | )(?=\S)")
_ONE = ("One {0}", "Each {0}", "Every {0}", "The price of one {0}", "For one {0}, people")
_COSTS = ("costs", "is", "pay", "is sold for")
_COMPARED = ("one {item}", "each {item}", "that of one {item}", "for one {item}")
_BLENDS = {
    "price": [f"{one.format('{item}')} {costs} ${{p}}." for one, costs in product(_ONE, _COSTS)],
    "price_more": [
        f"{one.format('{item2}')} {costs} ${{n}} {more} {base}."
        for one, costs, more, base in product(
            _ONE, _COSTS, ("more than", "above", "dearer than"), _COMPARED
        )
    ],
    "price_times": [
        f"{one.format('{item2}')} {costs} {{times}} {much} {base}."
        for one, costs, much, base in product(_ONE, _COSTS, ("as much as", "as high as"), _COMPARED)
    ],
    "price_up": [
        f"{one.format('{item}')} {rises}."
        for one, rises in product(
            (*_ONE, "the price of one {0}"),
            ("rises by {pct}", "costs {pct} more than before", "costs {pct} more"),
        )
    ],
    "price_off": [
        f"{one.format('{item}')} {falls}."
        for one, falls in product(
            _ONE, ("falls by {pct}", "costs {pct} less than before", "costs {pct} less")
        )
    ],
}
"""Every opening of a price sentence with every end of one, by operation."""

_PAIRS = (("box", "boxes"), ("person", "people"), ("unit", "units"))
_ALONE = ("vehicle", "cause", "color")


def read_freely(sentences: Sequence[str]) -> tuple[Theme, list[Fact]] | None:
    """The facts of a problem in a theme that has the things of all; None if one can't be read.

    Its boxes, people, units and vehicle must each be of one kind throughout.
    """
    facts = [_read(sentence) for sentence in sentences]
    if None in facts:
        return None
    told = [fact for fact in facts if fact is not None]
    return (_every_theme(), told) if _of_one_kind(told) else None


def _read(sentence: str) -> Fact | None:
    plain = _plain(sentence)
    for family, op, pattern in _patterns():
        found = pattern.fullmatch(plain)
        if found is not None:
            slots = found.groupdict()
            if all(slots[role] in names() for role in ("a", "b") if role in slots):
                lower = {k: v.lower() if k == "part" else v for k, v in slots.items()}
                return Fact(family, op, lower)
    return None


def _plain(sentence: str) -> str:
    """The sentence without its opener and its places, which change nothing it says."""
    for pattern in (_OPENER, _place_first(), _OPENER):
        sentence = pattern.sub("", sentence, count=1)
    sentence = _place_last().sub("", sentence)
    return sentence[:1].upper() + sentence[1:]


@cache
def _place_first() -> re.Pattern[str]:
    return re.compile(rf"^(?:{_any(p[0].upper() + p[1:] for p in _words()['place'])}), ")


@cache
def _place_last() -> re.Pattern[str]:
    return re.compile(rf" (?:{_any(_words()['place'])})(?=[.,?])")


def _any(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


@cache
def _words() -> dict[str, tuple[str, ...]]:
    """What each closed slot may hold in any theme."""
    merged: dict[str, dict[str, None]] = {}
    for theme in (*themes().values(), _every_theme()):
        for slot, words in choices(theme).items():
            merged.setdefault(slot, {}).update(dict.fromkeys(words))
    return {slot: tuple(words) for slot, words in merged.items()}


@cache
def _every_theme() -> Theme:
    every = list(themes().values())
    things = [pair for theme in every for pair in (*theme.items, theme.box)]
    return replace(every[0], items=tuple(dict.fromkeys(things)))


@cache
def _patterns() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Every template without opener and place, and the blends of the price sentences."""
    words = _words()
    found = []
    for family, table in FAMILIES.items():
        for op, templates in table.items():
            plain = [template.replace(" {place}", "") for template in templates]
            plain = [_OPENER.sub("", t.removeprefix("{Place}, "), count=1) for t in plain]
            for template in dict.fromkeys((*plain, *_BLENDS.get(op, ()))):
                capital = template[:1].upper() + template[1:]
                found.append((family, op, compile_template(capital, words)))
    return tuple(found)


def _of_one_kind(facts: Sequence[Fact]) -> bool:
    kinds: dict[str, set[str]] = {}
    for fact in facts:
        for slot, word in fact.slots.items():
            if slot in _ALONE:
                kinds.setdefault(slot, set()).add(word)
            for one, many in _PAIRS:
                if slot in (one, many):
                    kinds.setdefault(one, set()).add(_singular(one, word))
    things = {fact.slots["items"] for fact in facts if "items" in fact.slots}
    apart = not {_singular("box", thing) for thing in things} & kinds.get("box", set())
    return apart and all(len(words) == 1 for words in kinds.values())


@cache
def _singulars(slot: str) -> dict[str, str]:
    pairs = [getattr(theme, slot) for theme in themes().values()]
    return {many: one for one, many in pairs}


def _singular(slot: str, word: str) -> str:
    return _singulars(slot).get(word, word)
