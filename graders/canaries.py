"""Claims whose truth is known, planted among those that a judge is asked about.

Known-good ones restate the source at hand; known-bad ones are the same with a number or a name
changed. How the judge does on them is its health; a judge that is surely sick is halted.
"""

import random
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from graders.calibration.bounds import binomial_upper
from graders.calibration.sequential import FloorTest
from graders.claims import Claim, split_claims
from graders.config import JudgeConfig
from graders.errors import JudgeUnhealthyError
from graders.names import find_names
from graders.prompts import claim_in_context
from graders.types import Source

CONFIDENCE: Final = 0.99
"""Of each bound of a hit rate that is told."""
FALSE_HALTS: Final = 0.01
"""Most of the judges at the floor that are ever halted, over both kinds of canary."""
_KINDS: Final = {True: "known-good", False: "known-bad"}
_SOURCES_KEPT: Final = 8
_LONGEST: Final = 300
"""Characters of a claim that makes a canary; what is longer is hardly one claim."""
_READ: Final = 4000
"""Characters of another source that are searched for names."""
_NUMBER: Final = re.compile(r"(?<![\w.,:/$-])\d+(?:,\d{3})*(?![\w:/-]|[.,]\d)")
_LABELLED: Final = re.compile(r"(?P<label>[A-Z][^:.\n]{1,40}):\s+(?P<value>[^\n]+?)\.?")
_LOOSE: Final = re.compile(
    r"\b(?:over|under|above|below|about|around|almost|nearly|roughly|approximately|some|up to|"
    r"at (?:least|most)|(?:more|less|fewer|other) than|between|from|may|might|could|perhaps)\b",
    re.IGNORECASE,
)
"""Words beside which another number might be true as well."""
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Canary:
    """A claim about a source, and whether it holds."""

    source: str
    claim: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Health:
    """How many of one kind of canary were judged rightly.

    `lowest` and `highest` bound the hit rate, each at CONFIDENCE (Clopper & Pearson 1934).
    """

    right: int
    asked: int
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.right} of {self.asked} right (rate {self.lowest:.2f} to {self.highest:.2f})"


def plant(source: Source, others: Sequence[Source], rng: random.Random) -> tuple[Canary, ...]:
    """A known-good and a known-bad claim about the source; nothing where it offers no sure pair.

    The bad one has another number, else a name from one of the `others`, in place of its own.
    """
    claims = split_claims(source.text)
    places = list(range(len(claims)))
    rng.shuffle(places)
    for place in places:
        spoilt = _spoil(claims[place], source, others, rng)
        if spoilt is not None:
            before = claims[place - 1].text if place and not _LABELLED.fullmatch(spoilt) else ""
            good = claim_in_context(_restate(claims[place].text), before)
            bad = claim_in_context(_restate(spoilt), before)
            return (Canary(source.text, good, True), Canary(source.text, bad, False))
    return ()


def _spoil(
    claim: Claim, source: Source, others: Sequence[Source], rng: random.Random
) -> str | None:
    if len(claim.text) > _LONGEST or _LOOSE.search(claim.text):
        return None
    numbers = list(_NUMBER.finditer(claim.text))
    if numbers:
        number = rng.choice(numbers)
        other = _other_number(number[0], source.text, rng)
    else:
        number, other = None, None
    if number is not None and other is not None:
        return claim.text[: number.start()] + other + claim.text[number.end() :]
    return _swap_name(claim.text, source, others, rng)


def _other_number(written: str, text: str, rng: random.Random) -> str | None:
    """A number near this one, 2 to 10% off or at least two, that the source does not hold."""
    value = int(written.replace(",", ""))
    for _ in range(8):
        by = rng.randint(max(2, value // 50), max(4, value // 10))
        new = value + by if value < by or rng.random() < 0.5 else value - by
        other = f"{new:,}" if "," in written else str(new)
        if not re.search(rf"(?<!\d){re.escape(other)}(?!\d)", text):
            return other
    return None


def _swap_name(
    claim: str, source: Source, others: Sequence[Source], rng: random.Random
) -> str | None:
    mine = list(_names(claim, source.text))
    foreign = {name for other in others for name in _names(other.text[:_READ], other.text[:_READ])}
    held = source.text.casefold()
    fresh = sorted(name for name in foreign if name.casefold() not in held)
    if not mine or not fresh:
        return None
    return claim.replace(rng.choice(mine), rng.choice(fresh), 1)


def _names(text: str, source: str) -> Iterator[str]:
    known = frozenset(word.casefold() for word in _WORD.findall(source))
    for claim in split_claims(text):
        for name in find_names(claim.text, known, source):
            if len(name.text) > 3 and not name.exact:
                yield name.text


def _restate(claim: str) -> str:
    """A labelled line as a sentence; a sentence as it is."""
    line = _LABELLED.fullmatch(claim)
    return f"The {line['label'].lower()} is {line['value']}." if line else claim


class CanaryWatch:
    """Plants canaries, keeps the latest outcomes of each kind and tests all of them.

    Raises JudgeUnhealthyError from `check` when the hit rate of a kind surely lies below the
    floor: of judges at the floor at most FALSE_HALTS are ever halted, and one that has not yet
    shown what it can do is let go on.
    """

    def __init__(self, config: JudgeConfig) -> None:
        self._config = config
        window, floor, delta = config.canary_window, config.canary_floor, FALSE_HALTS / 2
        self._right = {holds: deque[bool](maxlen=window) for holds in (True, False)}
        self._tests = {holds: FloorTest(floor, delta, window) for holds in (True, False)}
        self._sources: dict[str, Source] = {}

    def plant(self, source: Source, seed: int) -> tuple[Canary, ...]:
        """The canaries to ask about beside a text on this source: none, or a pair."""
        others = [other for other in self._sources.values() if other.text != source.text]
        self._sources.pop(source.id, None)
        self._sources[source.id] = source
        if len(self._sources) > _SOURCES_KEPT:
            del self._sources[next(iter(self._sources))]
        rng = random.Random(f"{seed}|{source.id}")
        return plant(source, others, rng) if rng.random() < self._config.canary_rate else ()

    def record(self, canary: Canary, right: bool) -> None:
        """Note how the judge did on one canary."""
        self._right[canary.holds].append(right)
        self._tests[canary.holds].record(right)

    def health(self) -> dict[str, Health]:
        """The hit rate on each kind over the window."""
        return {
            _KINDS[holds]: _health(sum(right), len(right)) for holds, right in self._right.items()
        }

    def check(self) -> None:
        """Raise JudgeUnhealthyError if the judge is surely below the floor on either kind."""
        for holds, test in self._tests.items():
            if test.is_below():
                raise JudgeUnhealthyError(
                    f"the judge fails its canaries, {self}; on {_KINDS[holds]} claims it must "
                    f"judge at least {self._config.canary_floor:.0%} rightly. Name another model "
                    "in graders.judge.model; what this one has passed so far is as doubtful"
                )

    def __str__(self) -> str:
        return ", ".join(f"{kind}: {health}" for kind, health in self.health().items())


def _health(right: int, asked: int) -> Health:
    delta = 1 - CONFIDENCE
    lowest = 1 - binomial_upper(asked - right, asked, delta)
    return Health(right, asked, lowest, binomial_upper(right, asked, delta))
