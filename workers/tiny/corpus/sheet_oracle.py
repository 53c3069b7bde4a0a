"""Ground truth for text about a sheet: the template tables, inverted.

A sentence is right when a template with the sheet's own values gives it, wrong when a template
fits and a slot differs from the sheet, and unrecognised when no template fits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from workers.tiny.corpus import phrases
from workers.tiny.corpus.schema import Kind
from workers.tiny.corpus.segments import sentences
from workers.tiny.corpus.sheets import Sheet, kind_of, referent
from workers.tiny.corpus.templates import (
    FORMS,
    LOWERED,
    PRONOUNS,
    REFERENCES,
    SLOT,
    Template,
    render,
)

FORGIVEN: Final = 0.9
WEIGHTY: Final = frozenset(
    [
        "not",
        "never",
        "no",
        "nor",
        "before",
        "after",
        "without",
        "less",
        "more",
        "least",
        "most",
        "only",
        "hardly",
        "smallest",
        "largest",
        "oldest",
        "youngest",
        "first",
        "last",
        "north",
        "south",
        "east",
        "west",
        "he",
        "she",
        "it",
        "him",
        "her",
        "his",
        "its",
    ]
)
QUOTES: Final = str.maketrans("\u2019\u2018\u201c\u201d", "''\"\"")
DENIAL: Final = re.compile(r"\b(is|was|are|were|has|had|did|can) (?:not|never)\b")


@dataclass(frozen=True)
class Finding:
    """A sentence that is wrong or unrecognised, with its offsets in the text."""

    sentence: str
    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Judgement:
    """What the oracle found; `facts_carried` counts the sheet's facts that are stated rightly."""

    wrong: tuple[Finding, ...]
    unrecognised: tuple[Finding, ...]
    facts_carried: int


@dataclass(frozen=True)
class Pattern:
    """A template as an expression with one group per slot, and as words for the second pass."""

    slots: tuple[str, ...]
    regex: re.Pattern[str]
    words: tuple[str, ...]
    weight: int


def normalise(text: str) -> str:
    """Lower case, single spaces, straight quotes, no final mark."""
    return " ".join(text.translate(QUOTES).casefold().split()).rstrip(".!?")


def strip_prefix(text: str) -> str:
    """The normalised sentence without an opener or the frame of a repeated statement."""
    for opener in map(str.casefold, phrases.OPENERS):
        if text.startswith(opener):
            return text.removeprefix(opener)
    head, tail = phrases.ECHO_PREFIX.casefold(), normalise(phrases.ECHO_SUFFIX)
    if text.startswith(head) and text.endswith(tail):
        return text.removeprefix(head).removesuffix(tail)
    return text


def affirmed(text: str) -> str:
    """The sentence without its denial."""
    text = re.sub(r"\b(is|was|are|were|has|had|did|can)n't\b", r"\1 not", text)
    text = re.sub(r"\bdoes(?: not|n't) have\b", "has", text)
    return DENIAL.sub(r"\1", text)


def compile_pattern(template: Template) -> Pattern:
    text = normalise(SLOT.sub("\0", template.text))
    regex = re.compile(re.escape(text).replace("\\\0", "\0").replace("\0", "(.{1,80}?)"))
    return Pattern(template.slots, regex, tuple(text.split()), len(text))


@lru_cache(maxsize=64)
def patterns(kind: Kind) -> tuple[Pattern, ...]:
    """The statements of a kind, the ones with most fixed words first."""
    tables = (*kind.sentences, *kind.theses, *kind.closings)
    return tuple(sorted(map(compile_pattern, tables), key=lambda p: -p.weight))


@dataclass(frozen=True)
class Key:
    """All that the oracle knows of one sheet: its right sentences and its slots' right values."""

    right: Mapping[str, tuple[str, ...]]
    slots: Mapping[str, frozenset[str]]
    starters: frozenset[str]


def right_slots(sheet: Sheet) -> dict[str, frozenset[str]]:
    who = referent(sheet)
    called = {s: frozenset(normalise(who.call(s, f)) for f in FORMS) for s in REFERENCES}
    called["name"] |= called["object"] - {PRONOUNS[sheet.pronoun][0]}
    called["Subject"] |= called["name"]
    called["possessive"] |= {normalise(sheet.name) + "'"}
    called["Possessive"] |= called["possessive"]
    facts = {f.relation: frozenset({normalise(f.value)}) for f in sheet.facts}
    return called | facts


@lru_cache(maxsize=512)
def answer_key(sheet: Sheet) -> Key:
    """Every sentence that the tables make for this sheet."""
    kind, who, values = kind_of(sheet), referent(sheet), sheet.values
    right: dict[str, tuple[str, ...]] = {}
    spoken = [phrases.GREETINGS, phrases.WELCOMES, phrases.CONFIRMATIONS, phrases.THANKS]
    for text in [t for group in (*spoken, phrases.FAREWELLS) for t in group]:
        right[normalise(text.replace("{name}", sheet.name))] = ()
    for text in phrases.TUTOR_PREFIXES:
        right[normalise(text)] = ()
    statements = (*kind.sentences, *kind.theses, *kind.closings)
    asked = {t for ts in kind.questions.values() for t in ts}
    for template in (*asked, *statements):
        if all(r in values for r in template.relations):
            carried = () if template in asked else template.relations
            for form in FORMS if template.flexible else FORMS[:1]:
                right[normalise(render(template, who, values, form))] = carried
    names = {sheet.name, *values.values(), *(o.strip() for o in phrases.OPENERS)}
    firsts = {n.split()[0].strip(",").casefold() for n in names}
    starts = {t.text.split()[0].strip(",").casefold() for t in statements}
    name = sheet.name.split()[0].casefold()
    return Key(right, right_slots(sheet), frozenset(firsts | starts | LOWERED | {f"{name}'s"}))


def differing(key: Key, slots: tuple[str, ...], found: tuple[str, ...]) -> str | None:
    """Why a slot differs from the sheet; None when every slot agrees."""
    for slot, value in zip(slots, found, strict=True):
        if value.strip() not in key.slots.get(slot, frozenset()):
            if slot in REFERENCES:
                return f"subject is {value!r}"
            true = " or ".join(sorted(key.slots.get(slot, ()))) or "not on the sheet"
            return f"{slot} is {value!r}, on the sheet: {true}"
    return None


def align(pattern: Pattern, words: list[str]) -> tuple[str, ...] | None:
    """The slot values where the fixed words nearly fit the sentence's words."""
    found: list[str] = []
    fixed: list[str] = []
    given: list[str] = []
    matcher = SequenceMatcher(None, pattern.words, words, autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        theirs, ours = list(pattern.words[i1:i2]), words[j1:j2]
        holes = [n for n, w in enumerate(theirs) if "\0" in w]
        if len(holes) > 1:
            return None
        if holes:
            head, tail = holes[0], len(theirs) - holes[0] - 1
            if len(ours) < head + tail + 1:
                return None
            before, after = theirs[head].split("\0")
            value = " ".join(ours[head : len(ours) - tail])
            if not (value.startswith(before) and value.endswith(after)):
                return None
            found.append(value.removeprefix(before).removesuffix(after))
            ours = ours[:head] + ours[len(ours) - tail :]
            theirs.pop(head)
        if len(given) > 60 or (theirs != ours and WEIGHTY & ({*theirs} ^ {*ours})):
            return None
        if theirs != ours and any(c.isdigit() for w in ours for c in w):
            return None
        fixed += theirs
        given += ours
    ratio = SequenceMatcher(None, " ".join(fixed), " ".join(given), autojunk=False).ratio()
    return tuple(found) if ratio >= FORGIVEN and len(found) == len(pattern.slots) else None


def near_match(kind: Kind, key: Key, text: str) -> tuple[str | None, tuple[str, ...]] | None:
    """The second pass: a wording that almost fits; its fault if any, and what it carries."""
    words = re.sub(r"([^\d]),", r"\1,", text).split()
    known = set(words)
    faulty: tuple[str | None, tuple[str, ...]] | None = None
    for pattern in patterns(kind):
        fixed = [w for w in pattern.words if "\0" not in w]
        if not fixed or sum(w in known for w in fixed) < 0.7 * len(fixed):
            continue
        if (found := align(pattern, words)) is None:
            continue
        fault = differing(key, pattern.slots, found)
        if fault is None:
            return None, tuple(s for s in pattern.slots if s not in REFERENCES)
        faulty = faulty or (fault, ())
    return faulty


def judge_sentence(sheet: Sheet, key: Key, sentence: str) -> tuple[str | None, tuple[str, ...]]:
    """The fault of a sentence ("" when unrecognised, None when right) and what it carries."""
    whole = normalise(sentence)
    text = strip_prefix(whole)
    for form in (whole, text):
        if form in key.right:
            return None, key.right[form]
    if (plain := affirmed(text)) != text and plain in key.right:
        return "denies a fact of the sheet", ()
    fault: str | None = None
    for pattern in patterns(kind_of(sheet)):
        if match := pattern.regex.fullmatch(text):
            differs = differing(key, pattern.slots, match.groups())
            if differs is None:
                return None, tuple(s for s in pattern.slots if s not in REFERENCES)
            fault = fault or differs
    if fault is None and (near := near_match(kind_of(sheet), key, text)):
        return near
    return fault or "", ()


def judge_text(sheet: Sheet, text: str) -> Judgement:
    """Judges every sentence of an essay, a dialogue or a claim against the sheet."""
    key = answer_key(sheet)
    wrong: list[Finding] = []
    unrecognised: list[Finding] = []
    carried: set[str] = set()
    for sentence, start, end in sentences(text, key.starters):
        fault, facts = judge_sentence(sheet, key, sentence)
        carried.update(facts)
        if fault:
            wrong.append(Finding(sentence, start, end, fault))
        elif fault == "":
            unrecognised.append(Finding(sentence, start, end, "no template fits"))
    return Judgement(tuple(wrong), tuple(unrecognised), len(carried))
