"""The kinds of thing that sheets are about: read from kinds/*.json and checked in full."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from workers.tiny.corpus.names import pools
from workers.tiny.corpus.templates import PRONOUNS, REFERENCES, SLOT, Referent, Template

KINDS: Final = Path(__file__).parent / "kinds"
LEAST_FACTS: Final = 5


class KindError(ValueError):
    """A kind's file breaks the schema; the message lists every fault with its file."""


@dataclass(frozen=True)
class Relation:
    """One relation of a kind: its label on a sheet, and how to invent a value."""

    label: str
    invent: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of thing with its relations, its templates and its real things."""

    noun: str
    kind: str
    pronoun: str
    relations: Mapping[str, Relation]
    theses: tuple[Template, ...]
    sentences: tuple[Template, ...]
    closings: tuple[Template, ...]
    questions: Mapping[str, tuple[Template, ...]]
    things: tuple[Mapping[str, str], ...]

    def referent(self, name: str, pronoun: str) -> Referent:
        return Referent(name, pronoun, self.noun)


def templates_in(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every template of a kind's file, with where it stands."""
    for part in ("theses", "sentences", "closings"):
        for text in data[part]:
            yield part, text
    for relation, texts in data["questions"].items():
        for text in texts:
            yield f"questions.{relation}", text


def template_faults(data: Mapping[str, Any]) -> Iterator[str]:
    known = REFERENCES | set(data["relations"])
    for where, text in templates_in(data):
        for slot in SLOT.findall(text):
            if slot not in known:
                yield f"{where}: unknown slot {{{slot}}} in {text!r}"
        bare = SLOT.sub("", text)
        if "{" in bare or "}" in bare:
            yield f"{where}: stray brace in {text!r}"
        if not re.search(r"[a-z]{2}", bare):
            yield f"{where}: no fixed words in {text!r}"
        if not text.endswith("?" if where.startswith("q") else ".") or re.search(r"[.?!] ", text):
            yield f"{where}: not one sentence: {text!r}"
        if re.search(r"\{\w+\}\{\w+\}", text):
            yield f"{where}: two slots touch in {text!r}"


def invent_fault(spec: Mapping[str, Any]) -> str | None:
    """What is wrong with an invent specification, if anything."""
    match spec:
        case {"range": [int() | float() as low, int() | float() as high]} if low < high:
            return None
        case {"choices": [_, _, *_]} | {"pattern": str()}:
            return None
        case {"names": str(pool)} if pool in pools():
            return None
    return f"bad invent {dict(spec)!r} (pools: {', '.join(pools())})"


def relation_faults(data: Mapping[str, Any]) -> Iterator[str]:
    single = {Template(t).relations for t in data["sentences"]}
    for key, relation in data["relations"].items():
        if key in REFERENCES:
            yield f"relations: {key!r} is a reserved slot"
        if (key,) not in single:
            yield f"sentences: none is about {key!r} alone"
        if not data["questions"].get(key):
            yield f"questions: none for {key!r}"
        if not relation.get("label"):
            yield f"relations: {key!r} has no label"
        if fault := invent_fault(relation.get("invent", {})):
            yield f"relations: {key!r}: {fault}"
    for key in set(data["questions"]) - set(data["relations"]):
        yield f"questions: {key!r} is no relation"


def thing_faults(data: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for thing in data["things"]:
        name = thing.get("name")
        if not isinstance(name, str) or not name.strip() or name.casefold() in seen:
            yield f"things: name missing or twice: {thing!r}"
            continue
        seen.add(name.casefold())
        facts = set(thing) - {"name", "pronoun"}
        if unknown := facts - set(data["relations"]):
            yield f"things: {name}: unknown relations {sorted(unknown)}"
        if bad := [k for k in thing if not isinstance(thing[k], str) or not thing[k].strip()]:
            yield f"things: {name}: value missing or no string: {bad}"
        if len(facts) < LEAST_FACTS:
            yield f"things: {name}: {len(facts)} facts, fewer than {LEAST_FACTS}"
        if thing.get("pronoun", data["pronoun"]) not in PRONOUNS:
            yield f"things: {name}: unknown pronoun"


def faults(data: Mapping[str, Any]) -> list[str]:
    """Every fault of one kind's data."""
    wanted = ("noun", "kind", "pronoun", "relations", "theses", "sentences", "closings")
    if missing := [k for k in (*wanted, "questions", "things") if not data.get(k)]:
        return [f"missing or empty: {missing}"]
    return [*template_faults(data), *relation_faults(data), *thing_faults(data)]


def parse_kind(data: Mapping[str, Any], source: str) -> Kind:
    """The kind in a file's data; raises KindError with every fault found."""
    if found := faults(data):
        raise KindError("\n".join(f"{source}: {fault}" for fault in found))

    def read(texts: list[str]) -> tuple[Template, ...]:
        return tuple(Template(t) for t in dict.fromkeys(texts))

    return Kind(
        noun=data["noun"],
        kind=data["kind"],
        pronoun=data["pronoun"],
        relations={k: Relation(r["label"], r["invent"]) for k, r in data["relations"].items()},
        theses=read(data["theses"]),
        sentences=read(data["sentences"]),
        closings=read(data["closings"]),
        questions={k: read(q) for k, q in data["questions"].items()},
        things=tuple(data["things"]),
    )


@cache
def load_kinds(folder: Path = KINDS) -> Mapping[str, Kind]:
    """Every kind by its `kind`; raises KindError that lists the faults of all files."""
    kinds: dict[str, Kind] = {}
    errors: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            kind = parse_kind(json.loads(path.read_text(encoding="utf-8")), path.name)
        except (KindError, json.JSONDecodeError) as exc:
            errors.append(str(exc) if isinstance(exc, KindError) else f"{path.name}: {exc}")
            continue
        if kind.kind in kinds:
            errors.append(f"{path.name}: kind {kind.kind!r} is in another file too")
        kinds[kind.kind] = kind
    if errors or not kinds:
        raise KindError("\n".join(errors) or f"no kinds in {folder}")
    return kinds
