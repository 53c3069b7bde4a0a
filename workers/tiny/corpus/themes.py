"""The themes of the word problems: their nouns, verbs and places, read from themes.json.

Item nouns, causes and vehicles each name exactly one theme.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Theme:
    """One setting; a noun is a (singular, plural) pair, `makes` is (third person, base)."""

    name: str
    items: tuple[tuple[str, str], ...]
    box: tuple[str, str]
    places: tuple[str, ...]
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    makes: tuple[str, str]
    unit: tuple[str, str]
    person: tuple[str, str]
    cause: str
    vehicle: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The phrases by which a text is recognised as belonging to this theme."""
        return (*(word for item in self.items for word in item), self.cause, self.vehicle)


def _theme(row: Mapping[str, Any]) -> Theme:
    frozen: dict[str, Any] = {
        key: tuple(tuple(v) if isinstance(v, list) else v for v in value)
        if isinstance(value, list)
        else value
        for key, value in row.items()
    }
    return Theme(**frozen)


@cache
def _data() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("themes.json").read_text("utf-8"))
    return loaded


@cache
def themes() -> dict[str, Theme]:
    """Every theme by name, in file order."""
    return {row["name"]: _theme(row) for row in _data()["themes"]}


@cache
def names() -> tuple[str, ...]:
    """The first names that any problem may use."""
    return tuple(_data()["names"])
