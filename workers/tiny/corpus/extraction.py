"""Rows that teach to say what a sentence says: its facts as labelled lines, blind to the source.

Half of the values are not those of any sheet, so only the sentence can tell them; spliced and
broken sentences say nothing clear.
"""

import random
from dataclasses import dataclass

from graders.prompts import NOTHING, UNCLEAR, UNLISTED
from workers.tiny.corpus import essays, phrases
from workers.tiny.corpus.names import Split
from workers.tiny.corpus.sheet_oracle import judge_text
from workers.tiny.corpus.sheets import (
    Sheet,
    compose_sheet,
    invent_value,
    kind_of,
    referent,
    render_sheet,
)
from workers.tiny.corpus.templates import FORMS, Template, render, sentence_case


@dataclass(frozen=True, slots=True)
class Extraction:
    """A sentence, the labels that the prompt lists, and the lines that it comes to."""

    labels: tuple[str, ...]
    sentence: str
    lines: tuple[str, ...]


def compose_extraction(rng: random.Random, split: Split) -> Extraction:
    """A sentence of an essay or dialogue with its facts, or a broken one."""
    sheet = compose_sheet(rng, split)
    labels = tuple(line.partition(":")[0] for line in render_sheet(sheet).splitlines())
    if rng.random() < 0.15 and (broken := _broken(sheet, rng)):
        return Extraction(labels, broken, (UNCLEAR,))
    kind, who = kind_of(sheet), referent(sheet)
    frames = rng.random() < 0.15
    pool = (*kind.theses, *kind.closings) if frames else kind.sentences
    values = {
        relation: sheet.values.get(relation) or invent_value(rng, split, spec.invent)
        for relation, spec in kind.relations.items()
    }
    if rng.random() < 0.5:
        for relation, spec in kind.relations.items():
            values[relation] = invent_value(rng, split, spec.invent)
    known = [t for t in pool if all(relation in sheet.values for relation in t.relations)]
    template = rng.choice(known if known and rng.random() < 0.85 else pool)
    text = render(template, who, values, rng.choice(FORMS))
    if template.takes_opener and rng.random() < 0.25:
        text = rng.choice(phrases.OPENERS) + text
    text = sentence_case(text)
    lines = [f"Name: {sheet.name}"] if who.mid_name in text or sheet.name in text else []
    lines += _facts(sheet, template, values, text)
    return Extraction(labels, text, tuple(lines) or (NOTHING,))


def _facts(sheet: Sheet, template: Template, values: dict[str, str], text: str) -> list[str]:
    listed = {fact.label for fact in sheet.facts}
    relations = kind_of(sheet).relations
    told = sorted(template.relations, key=lambda relation: text.find(values[relation]))
    labels = [relations[relation].label for relation in told]
    return [
        f"{label if label in listed else UNLISTED}: {values[relation]}"
        for label, relation in zip(labels, told, strict=True)
    ]


def _broken(sheet: Sheet, rng: random.Random) -> str | None:
    """Two sentences spliced, or one with words lost or repeated; None when that still reads."""
    able = essays.usable(kind_of(sheet).sentences, sheet.values)
    first, second = (
        sentence_case(render(rng.choice(able), referent(sheet), sheet.values, rng.choice(FORMS)))
        for _ in range(2)
    )
    words, others = first.split(), second.split()
    cut = rng.randrange(1, len(words))
    match rng.randrange(3):
        case 0:
            text = " ".join([*words[:cut], *others[rng.randrange(1, len(others)) :]])
        case 1:
            text = " ".join([*words[:cut], *words[min(len(words) - 1, cut + rng.randint(1, 3)) :]])
        case _:
            text = " ".join([*words[:cut], *words[max(0, cut - rng.randint(1, 3)) :]])
    judged = judge_text(sheet, text)
    return text if judged.unrecognised or judged.wrong else None
