"""Corrupts a sentence in one known way, so that its source no longer supports it.

Each corruption returns the new sentence and the span that is wrong, or None where it does not
apply. The kinds follow the error types of BUMP (Ma et al. 2023, section 3) and SummEdits
(Laban et al. 2023, section 4): numbers, names, dates, negation, relations, additions.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from graders.quantities import SMALL, TENS

_NUMBER = re.compile(r"(?<![\w.,–-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w/])")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w'’-]+(?: (?:of |the |de |van |von )?[A-Z][\w'’-]+)*")
_NEGATED = re.compile(
    r"\b(is|are|was|were|has been|have been|will|would|can|could|should|may|must|had)\b"
    r"(?! (?:not|never|n't))"
)
_DENIAL = re.compile(r" not\b| never\b|(?<=[a-z])n['’]t\b")
_WORD = re.compile(r"[^\W\d_]+")
_CLAUSE = re.compile(
    r"(?:, | and | while | but | because | when | where | who | which )(.{15,90}?)[.;,]"
)
_MONTHS: Final = (
    "January February March April May June July August September October November December"
).split()
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_OPPOSITES: Final = (
    "increase/decrease increased/decreased increases/decreases increasing/decreasing "
    "higher/lower more/less first/last before/after early/late earlier/later largest/smallest "
    "larger/smaller rose/fell rise/fall won/lost win/lose wins/loses accepted/rejected "
    "agreed/refused agrees/refuses buy/sell bought/sold positive/negative good/bad great/poor "
    "friendly/rude clean/dirty cheap/expensive affordable/overpriced fast/slow quick/slow "
    "hot/cold open/closed opened/closed start/end started/ended begins/ends began/ended "
    "born/buried north/south northern/southern east/west eastern/western left/right up/down "
    "above/below inside/outside indoor/outdoor with/without always/never often/rarely "
    "all/some many/few most/few several/no every/no best/worst strong/weak success/failure "
    "successful/unsuccessful support/oppose supported/opposed supports/opposes approve/reject "
    "allow/forbid allowed/forbidden includes/excludes including/excluding gained/lost "
    "father/mother son/daughter brother/sister husband/wife man/woman men/women boy/girl "
    "king/queen his/her he/she public/private ancient/modern old/new young/old long/short "
    "major/minor senior/junior win/defeat victory/defeat defeated/joined arrested/released "
    "guilty/innocent alive/dead safe/dangerous easy/difficult high/low rich/poor "
    "light/heavy wet/dry morning/evening day/night summer/winter "
    "spring/autumn domestic/foreign local/international "
    "happy/angry praised/criticized loved/hated likes/dislikes remember/forget better/worse "
    "improve/worsen improved/worsened grow/shrink growth/decline profit/loss profits/losses "
    "employee/employer teacher/student doctor/patient buyer/seller lawyer/judge free/paid "
    "available/unavailable possible/impossible legal/illegal healthy/sick vegetarian/meat "
    "lunch/breakfast dinner/breakfast casual/formal wrote/sang painted/wrote directed/produced "
    "moved/stayed joined/left married/divorced graduated/withdrew appointed/dismissed"
).split()
_SWAPS: Final = {
    one: other for pair in _OPPOSITES for one, other in (pair.split("/"), pair.split("/")[::-1])
}
_ADDITIONS: Final = (
    "according to {name}", "in {month}", "for {number} years", "along with {name}",
    "on {day}", "which was widely praised", "despite strong criticism", "after a long delay",
    "in {month} of {year}", "together with {name}", "which surprised many people",
    "at a cost of {number} million dollars", "for the first time since {year}",
    "with the help of {name}", "which is expected to grow", "near {name}",
    "and is free of charge", "and has received several awards", "because of bad weather",
    "and is popular with families", "which includes {number} rooms", "and offers live music",
    "which can cause serious side effects", "and should be stored in the refrigerator",
    "while {name} disagreed", "and was later cancelled", "and lasts about {number} minutes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A wrong sentence; text[start:end] is what is wrong with it."""

    text: str
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a corruption may draw on: the source of the sentence, and another text."""

    source: str
    other: str


Corruption = Callable[[str, Surroundings, random.Random], Corrupted | None]


def corrupt(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    """The sentence with one error, of a kind drawn at random; None when no kind applies."""
    for kind in rng.sample(_ORDER, len(_ORDER)):
        found = _CORRUPTIONS[kind](sentence, around, rng)
        if found is not None and found.text.casefold() != sentence.casefold():
            return found
    return None


def _put(sentence: str, start: int, end: int, new: str, kind: str) -> Corrupted:
    return Corrupted(sentence[:start] + new + sentence[end:], start, start + len(new), kind)


def _number(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    """Another number of the source, or one that is near."""
    found = list(_NUMBER.finditer(sentence))
    if not found:
        return _number_word(sentence, rng)
    match = rng.choice(found)
    year = bool(_YEAR.fullmatch(match[0]))
    others = [
        n[0]
        for n in _NUMBER.finditer(around.source)
        if n[0] not in sentence and bool(_YEAR.fullmatch(n[0])) == year
    ]
    if others and rng.random() < 0.5:
        return _put(sentence, match.start(), match.end(), rng.choice(others), "number")
    places = [i for i, char in enumerate(match[0]) if char.isdigit()]
    place = places[-1] if year and rng.random() < 0.7 else rng.choice(places)
    digit = rng.choice([d for d in "123456789" if d != match[0][place]])
    new = match[0][:place] + digit + match[0][place + 1 :]
    if new in around.source:
        return None
    return _put(sentence, match.start(), match.end(), new, "number")


def _number_word(sentence: str, rng: random.Random) -> Corrupted | None:
    words = [w for w in _WORD.finditer(sentence) if w[0].lower() in SMALL.keys() | TENS.keys()]
    if not words:
        return None
    match = rng.choice(words)
    pool = list(SMALL)[2:13] if match[0].lower() in SMALL else list(TENS)
    new = rng.choice([w for w in pool if w != match[0].lower()])
    new = new.capitalize() if match[0][0].isupper() else new
    return _put(sentence, match.start(), match.end(), new, "number")


def _name(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    """Another name of the source, or one from elsewhere."""
    found = [m for m in _NAME.finditer(sentence) if not _is_date(m[0])]
    if not found:
        return None
    match = rng.choice(found)
    pool = around.source if rng.random() < 0.6 else around.other
    others = {m[0] for m in _NAME.finditer(pool) if not _is_date(m[0])}
    own = set(match[0].lower().split())
    apart = sorted(n for n in others if n not in sentence and not own & set(n.lower().split()))
    if not apart:
        return None
    return _put(sentence, match.start(), match.end(), rng.choice(apart), "name")


def _is_date(name: str) -> bool:
    return any(word in _MONTHS or word in _DAYS or word == "I" for word in name.split())


def _date(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    for pool in (_MONTHS, _DAYS):
        found = [m for m in _WORD.finditer(sentence) if m[0] in pool]
        if found:
            match = rng.choice(found)
            new = rng.choice([p for p in pool if p not in sentence])
            return _put(sentence, match.start(), match.end(), new, "date")
    return None


def _negation(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    denial = _DENIAL.search(sentence)
    if denial is not None:
        text = sentence[: denial.start()] + sentence[denial.end() :]
        start = max(0, sentence.rfind(" ", 0, denial.start()) + 1)
        return (
            Corrupted(text, start, denial.start(), "negation") if start < denial.start() else None
        )
    found = list(_NEGATED.finditer(sentence))
    if not found:
        return None
    match = rng.choice(found)
    first, _, rest = match[0].partition(" ")
    word = rng.choice(("not", "not", "never"))
    new = f"{first} {word}{' ' + rest if rest else ''}"
    return _put(sentence, match.start(), match.end(), new, "negation")


def _relation(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    """An opposite word, or two names that change places."""
    found = [m for m in _WORD.finditer(sentence) if m[0].lower() in _SWAPS]
    if found:
        match = rng.choice(found)
        new = _SWAPS[match[0].lower()]
        new = new.capitalize() if match[0][0].isupper() else new
        return _put(sentence, match.start(), match.end(), new, "relation")
    names = [m for m in _NAME.finditer(sentence) if not _is_date(m[0])]
    if len(names) < 2:
        return None
    one, two = sorted(rng.sample(names, 2), key=lambda m: m.start())
    between = sentence[one.end() : two.start()]
    if one[0] == two[0] or re.fullmatch(r",? (?:and |or )?", between):
        return None
    return _put(sentence, one.start(), two.end(), two[0] + between + one[0], "relation")


def _addition(sentence: str, around: Surroundings, rng: random.Random) -> Corrupted | None:
    """An invented clause, or one of another text, before the full stop or after a comma."""
    body = sentence.rstrip(".!")
    clauses = _CLAUSE.findall(around.other)
    if clauses and rng.random() < 0.5:
        new = f", {rng.choice(('and', 'while', 'as'))} {rng.choice(clauses)}"
    else:
        names = [m[0] for m in _NAME.finditer(around.other)] or ["Robert Hale"]
        new = " " + rng.choice(_ADDITIONS).format(
            name=rng.choice(names),
            month=rng.choice(_MONTHS),
            day=rng.choice(_DAYS),
            number=rng.randint(2, 90),
            year=rng.randint(1900, 2023),
        )
        new = ("," if rng.random() < 0.4 else "") + new
    at = body.find(", ") if rng.random() < 0.2 and ", " in body else len(body)
    return _put(sentence, at, at, new, "addition")


_CORRUPTIONS: Final[dict[str, Corruption]] = {
    "number": _number,
    "name": _name,
    "date": _date,
    "negation": _negation,
    "relation": _relation,
    "addition": _addition,
}
_ORDER: Final[Sequence[str]] = tuple(_CORRUPTIONS)
