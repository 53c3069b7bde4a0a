"""The sentence grammar of word problems: one table, rendered by the composer, inverted by the
oracle. A slot that occurs twice in a template must hold the same words both times.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from .problem_stock_phrases import STOCK
from .problem_trade_phrases import GOAL, SHOP, TRIP
from .themes import Theme, names

DAYS = ("morning", "day", "week")
COLORS = ("red", "blue", "green", "yellow", "new", "old", "small", "large")
TIMES = {"twice": 2, "3 times": 3, "4 times": 4, "5 times": 5, "6 times": 6}
FRACTIONS = {
    "half": (1, 2),
    **{
        f"{p}/{q}": (p, q) for q in range(2, 11) for p in range(1, q) if q in (2, 3, 4, 5, 6, 8, 10)
    },
}
PERCENTS = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90)
COUNT = r"(?:[2-9]|[1-9]\d{1,3})"

FAMILIES = {"stock": STOCK, "shop": SHOP, "goal": GOAL, "trip": TRIP}
SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence as the grammar reads it."""

    family: str
    op: str
    slots: Mapping[str, str]


def choices(theme: Theme) -> dict[str, tuple[str, ...]]:
    """The words that each closed slot may hold in a theme."""
    singular = tuple(one for one, _ in theme.items)
    return {
        "items": tuple(many for _, many in theme.items),
        "item": singular,
        "item2": singular,
        "place": theme.places,
        "Place": tuple(place[0].upper() + place[1:] for place in theme.places),
        "box": theme.box[:1],
        "boxes": theme.box[1:],
        "gains": theme.gains,
        "loses": theme.loses,
        "makes": theme.makes[:1],
        "unit": theme.unit[:1],
        "units": theme.unit[1:],
        "person": theme.person[:1],
        "people": theme.person[1:],
        "cause": (theme.cause,),
        "vehicle": (theme.vehicle,),
        "day": DAYS,
        "color": COLORS,
        "times": tuple(TIMES),
        "frac": tuple(FRACTIONS),
        "pct": tuple(f"{p}%" for p in PERCENTS),
        "part": (*FRACTIONS, *(f"{p}%" for p in PERCENTS)),
    }


def compile_template(template: str, words: Mapping[str, tuple[str, ...]]) -> re.Pattern[str]:
    """What a template matches when its closed slots hold these words."""
    seen: set[str] = set()

    def slot(name: str) -> str:
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        if name in ("n", "m", "p"):
            return f"(?P<{name}>{COUNT})"
        if name in ("a", "b"):
            return f"(?P<{name}>[A-Z][a-z]+)"
        longest_first = sorted(words[name], key=len, reverse=True)
        return f"(?P<{name}>{'|'.join(map(re.escape, longest_first))})"

    pieces = SLOT.split(template)
    body = "".join(slot(p) if i % 2 else re.escape(p) for i, p in enumerate(pieces))
    if template.startswith("{part}"):
        return re.compile(body.replace("half", "[Hh]alf"))
    return re.compile(body)


@cache
def _compiled(theme: Theme) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    words = choices(theme)
    return tuple(
        (family, op, compile_template(template, words))
        for family, table in FAMILIES.items()
        for op, templates in table.items()
        for template in templates
    )


def read_sentence(sentence: str, theme: Theme) -> Fact | None:
    """The fact that a sentence states in a theme, or None if no template gives it."""
    known = names()
    for family, op, pattern in _compiled(theme):
        found = pattern.fullmatch(sentence)
        if found is not None:
            slots = found.groupdict()
            if all(slots[k] in known for k in ("a", "b") if k in slots):
                return Fact(
                    family, op, {k: v.lower() if k == "part" else v for k, v in slots.items()}
                )
    return None


def write_sentence(template: str, slots: Mapping[str, str]) -> str:
    """A template with its slots filled, its first letter capital."""
    text = SLOT.sub(lambda found: slots[found[1]], template)
    return text[0].upper() + text[1:]
