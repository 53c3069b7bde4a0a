"""Essays and dialogues that say what a sheet says, in varied order and wording."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from workers.tiny.corpus import phrases
from workers.tiny.corpus.claims import Claim, compose_claim
from workers.tiny.corpus.sheets import Fact, Sheet, kind_of, referent
from workers.tiny.corpus.templates import Form, Referent, Template, render, sentence_case

__all__ = ["Claim", "compose_claim", "compose_dialogue", "compose_essay"]
FEWEST: Final = 5
MOST: Final = 8
LATER: Final[tuple[Form, ...]] = ("pronoun", "pronoun", "pronoun", "the", "this", "name")


def usable(templates: Sequence[Template], values: Mapping[str, str]) -> list[Template]:
    """The templates whose facts are all on the sheet."""
    return [t for t in templates if all(r in values for r in t.relations)]


def pick_plan(sheet: Sheet, rng: random.Random) -> list[Template]:
    """Sentences that carry each fact at most once: pairs of facts now and then, at least five."""
    able = [t for t in usable(kind_of(sheet).sentences, sheet.values) if t.relations]
    singles = [t for t in able if len(t.relations) == 1]
    doubles = [t for t in able if len(t.relations) > 1]
    spare = len(sheet.facts) - FEWEST
    plan: list[Template] = []
    told: set[str] = set()
    for template in rng.sample(doubles, len(doubles)):
        cost = len(template.relations) - 1
        if cost <= spare and not told & set(template.relations) and rng.random() < 0.5:
            plan.append(template)
            told.update(template.relations)
            spare -= cost
    for fact in sheet.facts:
        if fact.relation not in told:
            plan.append(rng.choice([t for t in singles if t.relations == (fact.relation,)]))
    rng.shuffle(plan)
    return plan[:MOST]


def compose_essay(sheet: Sheet, rng: random.Random) -> tuple[str, str]:
    """A thesis sentence, and the 5 to 8 sentences of the essay that follows it."""
    kind, who, values = kind_of(sheet), referent(sheet), sheet.values
    plan = pick_plan(sheet, rng)
    thesis = sentence_case(render(rng.choice(usable(kind.theses, values)), who, values, "name"))
    said: list[str] = []
    named, opener = False, ""
    for template in plan:
        form: Form = rng.choice(LATER) if named else "name"
        named = named or template.refers
        body = render(template, who, values, form)
        fresh = [o for o in phrases.OPENERS if o != opener]
        use = bool(said) and template.takes_opener and rng.random() < 0.2
        opener = rng.choice(fresh) if use else ""
        said.append(sentence_case(opener + body))
    closings = usable(kind.closings, values)
    if closings and len(plan) < MOST and rng.random() < 0.5:
        said.append(sentence_case(render(rng.choice(closings), who, values, "name")))
    return thesis, " ".join(said)


def polite(options: Sequence[str], rng: random.Random, name: str) -> str:
    return sentence_case(rng.choice(options).replace("{name}", name))


def answer(
    sheet: Sheet, fact: Fact, who: Referent, rng: random.Random, told: set[str]
) -> tuple[Template, str]:
    """The tutor's sentence for a fact; a pair of facts only where the other is untold."""
    able = [
        t
        for t in usable(kind_of(sheet).sentences, sheet.values)
        if fact.relation in t.relations and not told & set(t.relations)
    ]
    template = rng.choice(able)
    told.update(template.relations)
    return template, render(template, who, sheet.values, rng.choice(LATER))


def compose_dialogue(sheet: Sheet, rng: random.Random) -> str:
    """4 to 8 exchanges of a student who asks and a tutor who answers from the sheet."""
    who, values = referent(sheet), sheet.values
    lines = [
        f"Student: {polite(phrases.GREETINGS, rng, who.mid_name)}",
        f"Tutor: {polite(phrases.WELCOMES, rng, who.mid_name)}",
    ]
    exchanges, told = rng.randint(2, min(6, len(sheet.facts))), set[str]()
    for fact in rng.sample(sheet.facts, len(sheet.facts)):
        if fact.relation in told or len(lines) >= 2 * exchanges + 2:
            continue
        questions = usable(kind_of(sheet).questions[fact.relation], values)
        asked = sentence_case(render(rng.choice(questions), who, values, "name"))
        template, body = answer(sheet, fact, who, rng, told)
        prefix = rng.choice(phrases.TUTOR_PREFIXES) if rng.random() < 0.25 else ""
        lines += [f"Student: {asked}", f"Tutor: {prefix}{sentence_case(body)}"]
        room = len(lines) < 2 * exchanges + 2
        if template.takes_opener and room and rng.random() < 0.25:
            echo = render(template, who, values, "pronoun").removesuffix(".")
            confirmed = polite(phrases.CONFIRMATIONS, rng, who.mid_name)
            repeated = f"{phrases.ECHO_PREFIX}{echo}{phrases.ECHO_SUFFIX}"
            lines += [f"Student: {repeated}", f"Tutor: {confirmed}"]
    lines.append(f"Student: {polite(phrases.THANKS, rng, who.mid_name)}")
    return "\n".join([*lines, f"Tutor: {polite(phrases.FAREWELLS, rng, who.mid_name)}"])
