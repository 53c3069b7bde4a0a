"""Fact sheets: real things with true facts, or invented ones whose facts can only be copied."""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from workers.tiny.corpus.names import Split, draw, name_pool, person, pools, split_of, word
from workers.tiny.corpus.schema import LEAST_FACTS, Kind, KindError, load_kinds
from workers.tiny.corpus.templates import Referent

__all__ = [
    "Fact",
    "KindError",
    "Sheet",
    "compose_sheet",
    "invent_value",
    "kind_of",
    "load_kinds",
    "name_pool",
    "referent",
    "render_sheet",
    "split_of_sheet",
    "things_of",
]
MOST_FACTS: Final = 8
SMALL: Final = frozenset(("The", "the", "of", "and", "in", "a", "on", "to"))
CHUNK: Final = re.compile(r"(\[[^\]]+\]|\\d|.)(?:\{(\d+)\})?")


@dataclass(frozen=True)
class Fact:
    """One line of a sheet."""

    relation: str
    label: str
    value: str


@dataclass(frozen=True)
class Sheet:
    """What is known of one thing; `kind` is a key of load_kinds()."""

    id: str
    kind: str
    name: str
    pronoun: str
    facts: tuple[Fact, ...]

    @property
    def values(self) -> dict[str, str]:
        return {f.relation: f.value for f in self.facts}


def kind_of(sheet: Sheet) -> Kind:
    """The kind that the sheet is of."""
    return load_kinds()[sheet.kind]


def referent(sheet: Sheet) -> Referent:
    """How sentences may call the thing of the sheet."""
    return kind_of(sheet).referent(sheet.name, sheet.pronoun)


def render_sheet(sheet: Sheet) -> str:
    """The sheet as lines of `Label: value`, the name and the kind first; a person's pronoun."""
    lines = [f"Name: {sheet.name}", f"Kind: {sheet.kind}"]
    if sheet.pronoun != "it":
        lines.append(f"Pronoun: {sheet.pronoun}")
    return "\n".join(lines + [f"{f.label}: {f.value}" for f in sheet.facts])


def fill_pattern(rng: random.Random, pattern: str) -> str:
    """A text for a small pattern: literals, [a-z] classes, \\d, and {n} repeats."""

    def expand(chunk: str) -> str:
        if chunk == "\\d":
            return rng.choice("0123456789")
        if not chunk.startswith("["):
            return chunk
        ranges = re.findall(r"(.)-(.)|(.)", chunk[1:-1])
        letters = [
            chr(c)
            for low, high, one in ranges
            for c in (range(ord(low), ord(high) + 1) if low else [ord(one)])
        ]
        return rng.choice(letters)

    return "".join(
        expand(m.group(1)) for m in CHUNK.finditer(pattern) for _ in range(int(m.group(2) or 1))
    )


def invent_number(rng: random.Random, spec: Mapping[str, Any]) -> str:
    """A number in the range, on the step, with its unit; thousands are grouped with a unit."""
    low, high = spec["range"]
    whole = all(float(x).is_integer() for x in (low, high, spec.get("step", 1)))
    step = spec.get("step", 1 if whole else 0.1)
    value = low + step * rng.randint(0, int((high - low) / step))
    unit = spec.get("unit")
    grouped = unit and value >= 10_000
    text = (f"{int(value):,}" if grouped else str(int(value))) if whole else f"{value:.1f}"
    return f"{text} {unit}" if unit else text


def invent_value(rng: random.Random, split: Split, spec: Mapping[str, Any]) -> str:
    """A value for a relation; invented names belong to the split."""
    if "range" in spec:
        return invent_number(rng, spec)
    if "choices" in spec:
        return str(rng.choice(spec["choices"]))
    if "pattern" in spec:
        return fill_pattern(rng, spec["pattern"])
    return draw(rng, split, pools()[spec["names"]])


@cache
def shared_words(kind: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words that several names of a kind share, and their shared endings of three letters."""
    names = [t["name"] for t in load_kinds()[kind].things]
    words = Counter(w for n in names for w in set(n.split()))
    tails = Counter(n[-3:] for n in names if len(n) >= 6)
    return (
        frozenset(w for w, n in words.items() if n > 1),
        frozenset(t for t, n in tails.items() if n >= max(3, len(names) // 8) and t.islower()),
    )


def invent_name(rng: random.Random, kind: Kind, model: Mapping[str, str]) -> str:
    """A name shaped like a real one: its shared and small words stay, the others are invented."""
    pronoun = model.get("pronoun", kind.pronoun)
    if pronoun != "it":
        return person(rng, pronoun)
    kept, tails = shared_words(kind.kind)
    pool = pools().get(kind.noun, pools()["word"])
    parts: list[str] = []
    stays = [w in kept or w in SMALL for w in model["name"].split()]
    if all(stays):
        stays[-1 if stays[0] else 0] = False
    for n, part in enumerate(model["name"].split()):
        if stays[n]:
            parts.append(part)
        elif n == 0 or stays[n - 1]:
            new = word(rng, part[-3:]) if part[-3:] in tails else pool(rng).split()[-1]
            parts.append(new.lower() if part.islower() else new)
    return " ".join(parts)


def order_life(values: dict[str, str], rng: random.Random) -> None:
    """Moves a year of death after the year of birth, for invented people."""
    birth = next((k for k in values if "birth_year" in k or k in ("born", "year_born")), None)
    death = next((k for k in values if "death" in k or k in ("died", "year_died")), None)
    if birth and death and values[birth].isdigit() and values[death].isdigit():
        values[death] = str(int(values[birth]) + rng.randint(38, 86))


def things_of(kind: Kind, split: Split) -> list[Mapping[str, str]]:
    """The real things of a kind in one split."""
    return [t for t in kind.things if split_of(f"{kind.kind}:{t['name']}") == split]


def split_of_sheet(sheet: Sheet) -> Split:
    """The split that the sheet was composed for."""
    real = any(t["name"] == sheet.name for t in kind_of(sheet).things)
    return split_of(f"{sheet.kind}:{sheet.name}" if real else sheet.name)


def real_thing(rng: random.Random, split: Split, kind: Kind) -> Mapping[str, str] | None:
    things = things_of(kind, split)
    return rng.choice(things) if things else None


def invent_thing(rng: random.Random, split: Split, kind: Kind) -> Mapping[str, str]:
    """An invented thing with every relation of its kind."""
    model = rng.choice(kind.things)
    real = {t["name"].casefold() for t in kind.things}
    name = draw(rng, split, lambda r: invent_name(r, kind, model))
    while name.casefold() in real:
        name = draw(rng, split, lambda r: invent_name(r, kind, rng.choice(kind.things)))
    values: dict[str, str] = {}
    for key, relation in kind.relations.items():
        for _ in range(20):
            values[key] = invent_value(rng, split, relation.invent)
            if list(values.values()).count(values[key]) == 1:
                break
    order_life(values, rng)
    return {**values, "name": name, "pronoun": model.get("pronoun", kind.pronoun)}


def compose_sheet(
    rng: random.Random, split: Split, kind: str | None = None, invented: bool | None = None
) -> Sheet:
    """A sheet of 5 to 8 facts of this split; `kind` is a kind or its noun, by default any."""
    kinds = load_kinds()
    chosen = rng.choice(list(kinds.values()))
    if kind is not None:
        chosen = next(k for k in kinds.values() if kind in (k.kind, k.noun))
    invent = rng.random() < 0.5 if invented is None else invented
    thing = None if invent else real_thing(rng, split, chosen)
    if thing is None:
        thing = invent_thing(rng, split, chosen)
    keys = [k for k in chosen.relations if k in thing]
    most = min(len(keys), MOST_FACTS)
    picked = rng.sample(keys, rng.randint(min(most, LEAST_FACTS + 1), most))
    facts = tuple(Fact(k, chosen.relations[k].label, thing[k]) for k in picked)
    name, pronoun = thing["name"], thing.get("pronoun", chosen.pronoun)
    digest = hashlib.sha256(repr((chosen.kind, name, facts)).encode()).hexdigest()[:8]
    slug = re.sub(r"\W+", "-", name.lower()).strip("-")
    sheet_id = f"{chosen.noun}/{slug}-{digest}".replace(" ", "-")
    return Sheet(sheet_id, chosen.kind, name, pronoun, facts)
