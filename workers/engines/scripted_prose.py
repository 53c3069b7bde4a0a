"""Essays, dialogues and opinions for the scripted engine, made from a source's `Label: value`s."""

import random
import re
from dataclasses import dataclass
from typing import Final

from graders.claims import split_sentences
from graders.prompts import (
    FOLLOWS,
    NOTHING,
    UNLISTED,
    Stance,
    read_opinion,
    render_opinion,
    render_ruling,
)
from workers.engines.scripted_problems import phrases
from workers.recipes import essay

_LINE: Final = re.compile(r"^\s*(?P<label>[^:\n]{1,60}):[ \t]*(?P<value>\S.*?)\s*$", re.MULTILINE)
_SEVERAL: Final = re.compile(r"[.!?]\W*\s")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_NAME: Final = re.compile(r"\b[A-Z]\w+")
_WORD: Final = re.compile(r"\w+")
_TITLES: Final = {"name", "title", "subject", "topic"}
THESES: Final = phrases(
    "{} is well worth knowing.|{} rewards a closer look.|Much can be said about {}.|"
    "{} has a character of its own.|A few facts show what makes {} remarkable.|"
    "There are good reasons to study {}.|{} deserves our attention."
)
FACTS: Final = phrases(
    "The {label} of {name} is {value}.|Its {label} is {value}.|For the {label} we find {value}.|"
    "As for its {label}, that is {value}.|Under {label} stands {value}.|"
    "When it comes to the {label}, one reads {value}.|Look at the {label}, and you see {value}.|"
    "The record gives {value} as the {label}.|Here the {label} is {value}.|"
    "Readers often ask about the {label}, which is {value}."
)
ASIDES: Final = phrases(
    "Such details are easy to overlook.|All of this belongs together.|That alone is striking.|"
    "Taken together, this makes a clear picture.|It is a fact that stays in the mind.|"
    "One detail leads to the next."
)
ASKED: Final = phrases(
    "What is the {label} of {name}?|Can you tell me the {label}?|And what about the {label}?|"
    "I wonder what the {label} is.|Do you know its {label}?|Which {label} does the source give?"
)
TOLD: Final = phrases(
    "The {label} is {value}.|Good question: its {label} is {value}.|The source gives {value}.|"
    "For the {label} it says {value}.|It is {value}.|You will find {value} there."
)


@dataclass(frozen=True)
class _Sheet:
    """What a source says: its subject, its facts as (label, value), or else plain sentences."""

    name: str
    facts: list[tuple[str, str]]
    sentences: list[str]


def _read(source: str) -> _Sheet:
    pairs = [(m["label"].strip(), m["value"]) for m in _LINE.finditer(source)]
    titles = [value for label, value in pairs if label.lower() in _TITLES]
    facts = [(label.lower(), value) for label, value in pairs if label.lower() not in _TITLES]
    sentences = [] if facts else [sentence.text for sentence in split_sentences(source)]
    first = pairs[0][1] if pairs else "the subject"
    return _Sheet(titles[0] if titles else first, facts, sentences)


def write_essay(source: str, rng: random.Random, wrong: bool) -> str:
    """A thesis and up to eight sentences that carry the source's facts, with asides if it has few.

    Never fewer or more than the recipe takes: of a value of several sentences it tells the first.
    """
    sheet = _read(source)
    facts = [(label, _first_sentence(value)) for label, value in sheet.facts]
    sheet = _Sheet(_first_sentence(sheet.name), facts, sheet.sentences)
    said = _statements(sheet, rng, wrong, FACTS, rng.randint(4, 7))
    said.insert(rng.randrange(1, len(said) + 1), rng.choice(ASIDES))
    spare = [aside for aside in ASIDES if aside not in said]
    while len(said) <= essay.FEWEST and len(split_sentences(" ".join(said))) < essay.FEWEST - 1:
        said.append(spare.pop())
    thesis = rng.choice(THESES).format(sheet.name)
    return essay.render(thesis[0].upper() + thesis[1:], " ".join(said))


def _first_sentence(value: str) -> str:
    sentences = split_sentences(value) if _SEVERAL.search(value) else ()
    return next((sentence.text for sentence in sentences), value)


def write_dialogue(source: str, rng: random.Random, wrong: bool) -> str:
    """A student asks for three or four facts, and a tutor gives them."""
    sheet = _read(source)
    if not sheet.facts:
        told = _statements(sheet, rng, wrong, TOLD, 3)
        asked = rng.sample(("What does it say?", "What else?", "Is there more?"), 3)
        return _turns(list(zip(asked, (told * 3)[:3], strict=True)))
    facts = _chosen(sheet.facts, rng, rng.randint(3, 4))
    at = rng.randrange(len(facts)) if wrong else -1
    turns = []
    for i, (label, value) in enumerate(facts):
        value = _corrupt(value, sheet.facts, rng) if i == at else value
        asked_now = rng.choice(ASKED).format(label=label, name=sheet.name)
        turns.append((asked_now, rng.choice(TOLD).format(label=label, value=value)))
    return _turns(turns if len(turns) > 1 else turns * 2)


def write_plain(prompt: str, rng: random.Random, wrong: bool) -> str:
    """A paragraph for a prompt of unknown shape: what it says under labels, or its sentences."""
    return " ".join(_statements(_read(prompt), rng, wrong, FACTS, rng.randint(3, 6)))


def write_answer(question: str, rng: random.Random, wrong: bool) -> str:
    """An answer of two to four sentences that carry what the question itself says."""
    return "Answer: " + " ".join(_statements(_read(question), rng, wrong, FACTS, rng.randint(2, 4)))


def judge_claim(source: str, claim: str) -> str:
    """Yes if the source holds all the claim's numbers and names, each under its own label."""
    lines = [line.strip() for line in source.splitlines() if line.strip()] or [source.strip()]
    words = set(_WORD.findall(claim.lower()))
    quote = max(lines, key=lambda line: len(words & set(_WORD.findall(line.lower()))))
    marks = set(_NUMBER.findall(claim)) | set(_NAME.findall(claim[1:]))
    held = set(_NUMBER.findall(source)) | set(_NAME.findall(source))
    matched = all(
        value in claim
        for label, value in _read(source).facts
        if re.search(rf"\b(?:its|the|under) {re.escape(label)}\b", claim, re.IGNORECASE)
    )
    return render_opinion(quote, marks <= held and matched and " not " not in claim)


def rule_on(source: str, claim: str) -> str:
    """The same opinion as a ruling; the sentence that the claim follows is left out of it."""
    opinion = read_opinion(judge_claim(source, claim.partition(FOLLOWS)[0]))
    return render_ruling(Stance.SUPPORTED if opinion.holds else Stance.UNSUPPORTED, opinion.quote)


def state_facts(labels: str, claim: str) -> str:
    """The fact that one of the sentences above states, as a labelled line."""
    listed = {label.strip().lower(): label.strip() for label in labels.split(",")}
    for template in (*FACTS, *TOLD):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template))
        match = re.fullmatch(pattern, claim) if "{label}" in template else None
        if match:
            return f"{listed.get(match['label'].lower(), UNLISTED)}: {match['value']}"
    return NOTHING


def _statements(
    sheet: _Sheet, rng: random.Random, wrong: bool, templates: list[str], count: int
) -> list[str]:
    if not sheet.facts:
        said = rng.sample(sheet.sentences, min(count, len(sheet.sentences))) or ["Nothing."]
        if wrong:
            said[0] = _corrupt(said[0], [], rng)
        return said
    facts = _chosen(sheet.facts, rng, count)
    at = rng.randrange(len(facts)) if wrong else -1
    shapes = rng.sample(templates, min(len(facts), len(templates)))
    said = []
    for i, (label, value) in enumerate(facts):
        value = _corrupt(value, sheet.facts, rng) if i == at else value
        shape = shapes[i % len(shapes)]
        said.append(shape.format(label=label, value=value, name=sheet.name))
    return said


def _chosen(facts: list[tuple[str, str]], rng: random.Random, count: int) -> list[tuple[str, str]]:
    return rng.sample(facts, min(count, len(facts)))


def _corrupt(value: str, facts: list[tuple[str, str]], rng: random.Random) -> str:
    """Another number, or another fact's value, or its denial."""
    if number := _NUMBER.search(value):
        digit = number.start() + rng.randrange(len(number[0]) if number[0].isdigit() else 1)
        other = rng.choice([d for d in "123456789" if d != value[digit]])
        return value[:digit] + other + value[digit + 1 :]
    others = [other for _, other in facts if other != value]
    return rng.choice(others) if others else f"not {value}"


def _turns(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"Student: {asked}\nTutor: {told}" for asked, told in pairs)
