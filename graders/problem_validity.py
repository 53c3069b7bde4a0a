"""Is the problem itself sound? Says where it contradicts itself, lacks data or can't be so.

Each check knows few shapes and is sure of them: silence does not mean that a problem is sound.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from graders.claims import split_sentences
from graders.problem_wording import Found, find_odd_wording
from graders.quantities import FRACTIONS, Quantity, find_quantities

MAX_CHARS: Final = 4_000
"""Longer problems are searched only so far: bounds the work on hostile text."""
LONGEST_SENTENCE: Final = 500

WHOLE_THINGS: Final = frozenset(
    """people person student child boy girl man woman adult friend teacher player worker employee
    guest passenger customer kid baby sibling brother sister cousin member classmate soldier
    animal dog cat bird chicken hen duck cow horse sheep goat pig fish rabbit turtle
    car truck bus bicycle bike ticket coin book pencil pen marble stamp card balloon button egg
    chair table toy doll shirt hat shoe""".split()
)
"""Things of which there can only be a whole number."""
_ASKS = re.compile(
    r"\?|\b(?:how (?:many|much|long|old|far|tall)|what|which|calculate|find|determine|compute|"
    r"work out|give|express|solve|tell|estimate|in total)\b", re.IGNORECASE
)  # fmt: skip
_TOLD = re.compile(
    r"\d|\b(?:twice|double\w*|triple\w*|thrice|half|halves|pair|dozens?|couple|both|single|"
    r"alone|an?|each|every|halfway|equal\w*|same)\b", re.IGNORECASE
)  # fmt: skip
_COUNTED = re.compile(r"\bhow many\s+(?:more\s+|fewer\s+|whole\s+|full\s+)?([a-z]+)", re.IGNORECASE)
_MEAN = re.compile(r"\b(?:average|mean|per|rate|ratio|typical\w*|expected)\b", re.IGNORECASE)
_AVERAGED = re.compile(
    r"\b(?:average|mean|per|every|each|times|rate|ratio|typical\w*|million|thousand)\b",
    re.IGNORECASE,
)

_TWICE_NAMED = re.compile(r"(?<!than )(?<!as )\b([A-Z][a-z]+) and \1\b(?!['’])")
_COMPARED = re.compile(
    r"\b(?:more|fewer|less|times|twice|above|below|higher|lower|dearer|cheaper|older|younger|"
    r"taller|shorter|heavier|lighter|longer|faster|slower|as (?:many|much|old|tall|long|high))\b"
)
_THAN = re.compile(
    r"\b(?:than|as|above|below)(?: that of| for)? "
    r"(?P<again>[A-Z][a-z]+|(?:[Oo]ne|[Ee]ach|[Tt]he) [a-z]+(?: [a-z]+){0,2}?)"
    r"(?: (?:has|have|does|do|is|are))?(?=\s*(?:[.?!,;]|$)|\s+in (?:all|total)\b)"
)
_OTHER_SUBJECT = re.compile(
    r"\b(?:and|but|while|who|whose|which|whereas|because|if|when)\b|\b[A-Z][a-z]+\b"
    r"|\b(?:the|one|each|an?|every|his|her|their)\s"
    r"(?!(?:dollar|cent|euro|pound|third|half|quarter|fifth|lot|bit|few)s?\b)[a-z]+"
)

_OWNS = re.compile(
    r"(?<![\w$€£.,/-])(?P<who>(?!(?:They|He|She|It|We|You)\b)[A-Z][a-z]+|[Tt]he [a-z]+|there)\s"
    r"(?P<verb>has|had|have|are|is|were|weighs|costs)\s"
    r"(?:exactly |just )?(?P<count>\$?\d[\d,]*(?:\.\d+)?)\s(?P<what>[a-z]+(?: [a-z]+)?)"
    r"(?=\s*(?:[.,;]|and\b|$))"
)
_TIMES = re.compile(
    r"\b(?:now|then|later|after\w*|before|today|tomorrow|yesterday|last|next|left|first|second|"
    r"finally|still|once|if|when|until|more|fewer|less|ago|initial\w*|original\w*|end|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|morning|evening|each|every|per)\b",
    re.IGNORECASE,
)
_DIRECTED = re.compile(
    r"\b(?P<one>[A-Z][a-z]+) (?:is|has|have|weighs|runs|earns|got|scored)\b[^.?!,;]{0,40}?"
    r"\b(?P<how>more|fewer|less|older|younger|taller|shorter|heavier|lighter|richer|poorer)"
    r"(?P<what>(?: [a-z]+)?) than (?P<other>[A-Z][a-z]+)\b(?!['’])(?= *(?:[.,;?!]|and\b|but\b|$))"
)
_OPPOSITES: Final = {
    "more": ("amount", 1), "fewer": ("amount", -1), "less": ("amount", -1),
    "older": ("age", 1), "younger": ("age", -1), "taller": ("height", 1), "shorter": ("height", -1),
    "heavier": ("weight", 1), "lighter": ("weight", -1), "richer": ("money", 1),
    "poorer": ("money", -1),
}  # fmt: skip
_TAKEN = re.compile(
    r"\b(?:gives?|gave|eats?|ate|sells?|sold|loses?|lost|uses?|used|donates?d?|spends?|spent|"
    r"throws?|threw|removes?d?|breaks?|broke)\b(?P<between>(?: (?:away|out|up|him|her|them|to|his|"
    r"Mom|[a-z]+ friends?|[A-Z][a-z]+))*) (?P<count>\d[\d,]*) (?P<what>of them|[a-z]+)\b"
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s?(?:%|percent\b)(?P<of>\s+of\s+(?:the\s+|them\s+)?\w+)?")
_OF_A_PART = re.compile(
    r"\bof (?:the |those |these )?(?:rest|remain\w*|others?|those|these|what)\b"
)
_OVER_ALL = re.compile(
    r"\b(\d{3,})(?:\s?%|\spercent) of (?:the |her |his |their |all |all the )?([a-z]+)\s"
    r"(?:are|were|is|was|have|like|play|passed|came)\b"
)
_EXCLUSIVE: Final = (
    ("boys", "girls"), ("men", "women"), ("adults", "children"), ("male", "female"),
    ("males", "females"), ("passed", "failed"),
)  # fmt: skip
_REST = re.compile(r"\b(?:the rest|the remaining|the remainder|the others)\b", re.IGNORECASE)
_SHARE_OF = re.compile(
    r"(?P<share>\b\d+/\d+|\b\d+(?:\.\d+)?\s?%|\b(?:half|a third|one third|a quarter|one quarter|"
    r"a fifth|one fifth))\s+of\s+(?:the|his|her|their|these|those)\s+(?P<count>\d[\d,]*)\s+"
    r"(?P<what>[a-z]+)", re.IGNORECASE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a problem: the words that show it, their offset in it, and why."""

    quote: str
    start: int
    reason: str


def is_word_problem(text: str) -> bool:
    """Whether a question gives several numbers to reckon with; years and ordinals are none."""
    found = find_quantities(text[:MAX_CHARS])
    return sum(not (q.ordinal or q.decade or q.yearlike) for q in found) > 1


def find_flaws(problem: str) -> list[Flaw]:
    """The flaws of a problem, in no particular order; an empty list if none was seen."""
    problem = problem[:MAX_CHARS]
    sentences = [(s.text[:LONGEST_SENTENCE], s.start) for s in split_sentences(problem)]
    flaws = [*_lacks_data(problem)]
    flaws += [Flaw(q, at, why) for q, at, why in find_odd_wording(problem)]
    for text, start in sentences:
        flaws += [Flaw(q, start + at, why) for q, at, why in _compared_with_itself(text)]
        flaws += [Flaw(q, start + at, why) for q, at, why in _parts_of_things(text)]
    flaws += [*_two_counts(sentences), *_opposed(sentences), *_taken(sentences)]
    return [*flaws, *_over_whole(sentences)]


def impossible_answer(problem: str, value: Fraction) -> str | None:
    """Why a value can't answer the problem: a part of a person, fewer than none. Else None."""
    asked = [match for match in _COUNTED.finditer(problem[:MAX_CHARS]) if _is_whole(match[1])]
    if not asked:
        return None
    if value < 0:
        return f"the number of {asked[-1][1]} can't be negative"
    if value.denominator != 1 and not _MEAN.search(problem):
        return f"the number of {asked[-1][1]} must be whole"
    return None


def _is_whole(word: str) -> bool:
    word = word.lower()
    irregular = {"children": "child", "men": "man", "women": "woman", "babies": "baby",
                 "buses": "bus"}  # fmt: skip
    return irregular.get(word, word.removesuffix("s")) in WHOLE_THINGS or word in WHOLE_THINGS


def _lacks_data(problem: str) -> Iterator[Flaw]:
    end = max(0, len(problem) - 60)
    if not _ASKS.search(problem):
        yield Flaw(problem[end:], end, "the problem asks no question")
    elif not _TOLD.search(problem) and not find_quantities(problem):
        yield Flaw(problem[end:], end, "the problem gives no number")


def _compared_with_itself(sentence: str) -> Iterator[Found]:
    """`Ann has 3 more pens than Ann`, `the price of one pen is $2 above that of one pen`."""
    twice = _TWICE_NAMED.search(sentence)
    if twice:
        yield sentence, 0, f"the problem sets {twice[1]!r} against itself"
        return
    compared = _COMPARED.search(sentence)
    for match in _THAN.finditer(sentence) if compared else ():
        again = match["again"]
        before = sentence[: match.start()]
        at = max((m.end() for m in _whole(again).finditer(before) if _leads(before, m.start())),
                 default=None)  # fmt: skip
        if at is not None and not _OTHER_SUBJECT.search(before[at:]):
            yield sentence, 0, f"the problem sets {again!r} against itself"
            return


def _leads(sentence: str, start: int) -> bool:
    """Whether a phrase is compared, rather than compared with: not behind `than` or `as`."""
    return not re.search(r"\b(?:than|as)\s$", sentence[max(0, start - 6) : start])


def _whole(phrase: str) -> re.Pattern[str]:
    """The phrase, its first letter in either case, not as the possessor of something."""
    first = phrase[0]
    return re.compile(rf"\b[{first.upper()}{first.lower()}]{re.escape(phrase[1:])}\b(?!['’])")


def _parts_of_things(sentence: str) -> Iterator[Found]:
    """`2.5 students`, `-4 books`, a third of 10 children."""
    for quantity in find_quantities(sentence):
        after = re.match(r"\s([a-z]+)", sentence[quantity.end :])
        if after is None or not _is_whole(after[1]):
            continue
        quote = sentence[quantity.start : quantity.end + after.end()]
        if quantity.dimension is not None:
            continue
        if quantity.value < 0:
            yield quote, quantity.start, f"there can't be {quote}"
        elif _is_decimal(quantity) and not _AVERAGED.search(sentence):
            yield quote, quantity.start, f"there can't be {quote}: only whole ones"
    for match in _SHARE_OF.finditer(sentence):
        share, count = _share(match["share"]), int(match["count"].replace(",", ""))
        if share is not None and _is_whole(match["what"]) and (share * count).denominator != 1:
            reason = f"{match[0]} comes to {_shown(share * count)}, no whole number"
            yield match[0], match.start(), reason


def _shown(value: Fraction) -> str:
    """A value as people write it; one too large for that as whole and part."""
    return f"{float(value):g}" if value < 10**15 else f"more than {value // 1}"


def _is_decimal(quantity: Quantity) -> bool:
    return "." in quantity.text and quantity.value.denominator != 1


def _share(text: str) -> Fraction | None:
    text = text.lower().removeprefix("a ").removeprefix("one ")
    if text in FRACTIONS:
        return FRACTIONS[text]
    if text.endswith("%"):
        return Fraction(text[:-1].strip()) / 100
    over, _, under = text.partition("/")
    return Fraction(int(over), int(under)) if under and int(under) else None


def _two_counts(sentences: list[tuple[str, int]]) -> Iterator[Flaw]:
    """`Ann has 5 pears. … Ann has 7 pears.`, with nothing said about time or change."""
    seen: dict[tuple[str, str, str], tuple[str, str]] = {}
    for text, start in sentences:
        for match in _OWNS.finditer(text):
            key = (match["who"].lower(), match["verb"], match["what"])
            earlier = seen.setdefault(key, (match["count"], match[0]))
            if earlier[0] != match["count"] and not _TIMES.search(text):
                reason = f"this contradicts {earlier[1]!r}"
                yield Flaw(match[0], start + match.start(), reason)
        if _TIMES.search(text) or _TAKEN.search(text):
            seen.clear()


def _opposed(sentences: list[tuple[str, int]]) -> Iterator[Flaw]:
    """`Ann is older than Bob. Bob is older than Ann.`"""
    seen: dict[tuple[str, str, str, str], tuple[int, str]] = {}
    for text, start in sentences:
        for match in _DIRECTED.finditer(text):
            scale, sign = _OPPOSITES[match["how"]]
            one, other, what = match["one"], match["other"], match["what"].strip()
            if one > other:
                one, other, sign = other, one, -sign
            earlier = seen.setdefault((one, other, scale, what), (sign, match[0]))
            if earlier[0] != sign:
                reason = f"this contradicts {earlier[1]!r}"
                yield Flaw(match[0], start + match.start(), reason)


def _taken(sentences: list[tuple[str, int]]) -> Iterator[Flaw]:
    """`Ann has 5 pears. She eats 8 pears.`: more is taken than the sentence before gave."""
    for (text, _), (following, at) in pairwise(sentences):
        owned = _OWNS.search(text)
        taken = _TAKEN.search(following)
        if owned is None or taken is None or owned["count"].startswith("$"):
            continue
        if len(find_quantities(text)) > 1 or re.search(r"\b(?:each|every|per)\b", following):
            continue
        before = following[: taken.start()].split()
        same_one = before in ([owned["who"]], ["She"], ["He"], ["They"])
        same_thing = taken["what"] in (owned["what"].split()[-1], "of them")
        have, gone = (Fraction(m["count"].replace(",", "")) for m in (owned, taken))
        if same_one and same_thing and gone > have:
            reason = f"more than there are: {owned[0]!r}"
            yield Flaw(taken[0], at + taken.start(), reason)


def _over_whole(sentences: list[tuple[str, int]]) -> Iterator[Flaw]:
    """Parts of one whole that come to more than all of it."""
    for place, (text, start) in enumerate(sentences):
        over = _OVER_ALL.search(text)
        if over and int(over[1]) > 100 and _is_whole(over[2]):
            yield Flaw(over[0], start + over.start(), f"{over[1]}% is more than all of them")
            continue
        parts = list(_PERCENT.finditer(text))
        total = sum(Fraction(part[1]) for part in parts)
        if (
            len(parts) < 2
            or total <= 100
            or _OF_A_PART.search(text)
            or any(Fraction(part[1]) > 100 for part in parts)
        ):
            continue
        following = sentences[place + 1][0] if place + 1 < len(sentences) else ""
        rest = _REST.search(text[parts[-1].end() :]) or _REST.match(following)
        split = any(all(re.search(rf"\b{w}\b", text) for w in pair) for pair in _EXCLUSIVE)
        wholes = [part["of"] for part in parts if part["of"]]
        if (rest or split) and len(set(wholes)) <= 1:
            listed = " + ".join(f"{part[1]}%" for part in parts)
            reason = f"the parts come to more than the whole: {listed}"
            yield Flaw(text[parts[0].start() : parts[-1].end()], start + parts[0].start(), reason)
