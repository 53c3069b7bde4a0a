"""Single sentences about a sheet, half of them corrupted in one known way."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workers.tiny.corpus import phrases
from workers.tiny.corpus.sheet_oracle import judge_text
from workers.tiny.corpus.sheets import (
    Fact,
    Sheet,
    invent_value,
    kind_of,
    referent,
    split_of_sheet,
    things_of,
)
from workers.tiny.corpus.templates import FORMS, Referent, Template, render, sentence_case

UNITS: Final = {
    "m": ("km", "cm", "feet"),
    "km": ("m", "miles"),
    "metres": ("kilometres", "feet"),
    "meters": ("kilometers", "feet"),
    "kilometres": ("metres", "miles"),
    "kilometers": ("meters", "miles"),
    "kg": ("g", "tonnes"),
    "g": ("kg", "mg"),
    "tonnes": ("kg", "grams"),
    "degrees Celsius": ("degrees Fahrenheit", "kelvin"),
    "years": ("months", "days"),
    "days": ("years", "hours"),
    "hours": ("days", "minutes"),
    "million": ("billion", "thousand"),
    "billion": ("million", "thousand"),
    "square km": ("square m", "square miles"),
    "km/h": ("m/s", "miles per hour"),
    "cm": ("m", "mm"),
}
NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
VERB: Final = re.compile(r" (is|was|are|were|has) ")


@dataclass(frozen=True)
class Claim:
    """A sentence, whether the sheet supports it, the fact that decides, and the corruption."""

    text: str
    supported: bool
    fact: Fact
    reason: str


def shape(value: str) -> str:
    """What the value looks like: two values of one shape may stand in for each other."""
    if NUMBER.fullmatch(value):
        return "number"
    if NUMBER.match(value):
        return "quantity"
    return "words" if value.islower() else "names"


def near_numbers(value: str, rng: random.Random) -> Iterator[str]:
    """The value with another digit, or a near number."""
    match = NUMBER.search(value)
    if match is None:
        return
    raw = match.group()
    place = rng.choice([i for i, c in enumerate(raw) if c.isdigit()])
    digits = "123456789" if place == 0 else "0123456789"
    yield value.replace(raw, raw[:place] + rng.choice(digits) + raw[place + 1 :], 1)
    if raw.isdigit():
        moved = max(1, int(raw) + rng.choice((-20, -10, -3, -2, -1, 1, 2, 3, 10, 25)))
        yield value.replace(raw, str(moved), 1)


def wrong_values(sheet: Sheet, fact: Fact, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Candidates for a wrong value of the fact, each with its reason."""
    kind = kind_of(sheet)
    for near in near_numbers(fact.value, rng):
        yield near, "wrong number"
    for unit, others in UNITS.items():
        if fact.value.endswith(f" {unit}"):
            yield fact.value.removesuffix(unit) + rng.choice(others), "wrong unit"
    for other in sheet.facts:
        if other != fact and shape(other.value) == shape(fact.value):
            yield other.value, "wrong relation"
    word = "wrong name" if shape(fact.value) in ("words", "names") else "wrong number"
    split = split_of_sheet(sheet)
    peers = [t[fact.relation] for t in things_of(kind, split) if fact.relation in t]
    yield rng.choice(peers or [fact.value]), word
    yield invent_value(rng, split, kind.relations[fact.relation].invent), word


def wrong_value(sheet: Sheet, fact: Fact, rng: random.Random) -> tuple[str, str] | None:
    """One wrong value that no reader could take for the true one."""
    true = fact.value.casefold()
    distinct = [
        (value, reason)
        for value, reason in wrong_values(sheet, fact, rng)
        if (NUMBER.match(value) and value.casefold() != true)
        or (value.casefold() not in true and true not in value.casefold())
    ]
    if not distinct:
        return None
    reason = rng.choice(sorted({r for _, r in distinct}))
    return rng.choice([d for d in distinct if d[1] == reason])


def negated(template: Template, rng: random.Random) -> Template | None:
    """The template with its first verb denied; None without a plain verb or with many facts."""
    match = VERB.search(template.text)
    if match is None or len(template.relations) != 1 or " not " in template.text:
        return None
    verb = match.group(1)
    denial = " does not have " if verb == "has" else f" {verb} not "
    if verb in ("was", "were") and rng.random() < 0.5:
        denial = f" {verb} never "
    return Template(template.text[: match.start()] + denial + template.text[match.end() :])


def other_subject(sheet: Sheet, rng: random.Random) -> Referent:
    """Another real thing of the same kind and split."""
    peers = things_of(kind_of(sheet), split_of_sheet(sheet))
    names = [t["name"] for t in peers if t["name"] != sheet.name]
    return kind_of(sheet).referent(rng.choice(names or ["Nobody Else"]), sheet.pronoun)


def corrupt(
    sheet: Sheet, template: Template, fact: Fact, rng: random.Random
) -> tuple[str, str] | None:
    """A wrong sentence in mid-sentence case with its reason; None where this way does not apply."""
    form, way = rng.choice(FORMS), rng.random()
    if way < 0.12:
        denied = negated(template, rng)
        if denied is None:
            return None
        return render(denied, referent(sheet), sheet.values, form), "negation"
    if way < 0.24:
        if not template.refers:
            return None
        return render(template, other_subject(sheet, rng), sheet.values, "name"), "wrong subject"
    if (wrong := wrong_value(sheet, fact, rng)) is None:
        return None
    values = {**sheet.values, fact.relation: wrong[0]}
    return render(template, referent(sheet), values, form), wrong[1]


def compose_claim(sheet: Sheet, rng: random.Random) -> Claim:
    """A sentence as an essay would have it, true or corrupted with equal chance.

    A corruption that another template happens to make true is drawn again.
    """
    supported = rng.random() < 0.5
    values = sheet.values
    able = [
        t for t in kind_of(sheet).sentences if t.relations and all(r in values for r in t.relations)
    ]
    for _ in range(100):
        fact = rng.choice(sheet.facts)
        template = rng.choice([t for t in able if fact.relation in t.relations])
        said: tuple[str, str] | None = None
        if supported:
            said = render(template, referent(sheet), values, rng.choice(FORMS)), "supported"
        else:
            said = corrupt(sheet, template, fact, rng)
        if said is None:
            continue
        opener = rng.choice(phrases.OPENERS) if rng.random() < 0.25 else ""
        text = sentence_case(opener * template.takes_opener + said[0])
        verdict = judge_text(sheet, text)
        if supported or verdict.wrong or verdict.unrecognised:
            return Claim(text, supported, fact, said[1])
    raise ValueError(f"{sheet.id}: no sentence could be corrupted")
