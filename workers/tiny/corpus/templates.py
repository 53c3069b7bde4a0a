"""Sentence templates: their slots, and how one is rendered for a thing and a way to refer to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

Form = Literal["name", "pronoun", "the", "this"]
FORMS: Final[tuple[Form, ...]] = ("name", "pronoun", "the", "this")
SLOT: Final = re.compile(r"\{(\w*)\}")
REFERENCES: Final = frozenset({"name", "Subject", "Possessive", "object", "possessive"})
PRONOUNS: Final = {"it": ("it", "its"), "he": ("him", "his"), "she": ("her", "her")}
LOWERED: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "in",
        "at",
        "on",
        "with",
        "by",
        "from",
        "to",
        "of",
        "for",
        "when",
        "where",
        "while",
        "after",
        "before",
        "since",
        "until",
        "among",
        "about",
        "around",
        "over",
        "under",
        "as",
        "there",
        "people",
        "many",
        "most",
        "few",
        "its",
        "one",
        "today",
        "he",
        "she",
        "his",
        "her",
        "between",
        "its",
        "what",
        "who",
        "among",
        "during",
        "although",
        "though",
        "because",
        "visitors",
        "born",
        "both",
        "every",
        "each",
        "some",
        "all",
        "only",
        "scientists",
        "historians",
        "readers",
        "records",
        "near",
        "more",
    ]
)


@dataclass(frozen=True)
class Template:
    """A sentence with slots; relations are its slots that are not references to the thing."""

    text: str

    @cached_property
    def slots(self) -> tuple[str, ...]:
        return tuple(SLOT.findall(self.text))

    @cached_property
    def relations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s for s in self.slots if s not in REFERENCES))

    @cached_property
    def refers(self) -> bool:
        return any(s in REFERENCES for s in self.slots)

    @cached_property
    def flexible(self) -> bool:
        """Whether the sentence changes with the form of reference."""
        return any(s in REFERENCES and s != "name" for s in self.slots)

    @cached_property
    def takes_opener(self) -> bool:
        """Whether the sentence may follow an opener: its first word has a safe lower case."""
        return self.text.startswith("{") or self.text.split(" ")[0].lower() in LOWERED


@dataclass(frozen=True)
class Referent:
    """What a sentence may call the thing that it is about."""

    name: str
    pronoun: str
    noun: str

    @property
    def mid_name(self) -> str:
        """The name inside a sentence: "the Nile", but a title keeps its capital."""
        keeps = self.noun == "book" or not self.name.startswith("The ")
        return self.name if keeps else "the " + self.name[4:]

    def call(self, slot: str, form: Form) -> str:
        """The words that fill a reference slot, in mid-sentence case."""
        objective, possessive = PRONOUNS[self.pronoun]
        phrase = {"name": self.mid_name, "the": f"the {self.noun}", "this": f"this {self.noun}"}
        if slot == "name":
            return self.mid_name
        if slot.lower() == "possessive":
            return possessive if form == "pronoun" else f"{phrase[form]}'s"
        if form == "pronoun":
            return self.pronoun if slot == "Subject" else objective
        return phrase[form]


def render(template: Template, who: Referent, values: Mapping[str, str], form: Form) -> str:
    """The sentence in mid-sentence case, ready for an opener or for sentence_case."""
    mentioned = False

    def fill(match: re.Match[str]) -> str:
        nonlocal mentioned
        slot = match.group(1)
        if slot not in REFERENCES:
            return values[slot]
        later, mentioned = mentioned and slot != "name", True
        return who.call(slot, "pronoun" if later else form)

    text = template.text
    if not text.startswith("{") and template.takes_opener:
        text = text[0].lower() + text[1:]
    return SLOT.sub(fill, text)


def sentence_case(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
