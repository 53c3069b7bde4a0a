"""What the sentences of a word problem mean: facts go in, in order, and an answer comes out.

Each family is one world; `Impossible` says that a fact makes no sense after the ones before it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .problem_grammar import FRACTIONS, TIMES, Fact
from .themes import Theme

DOLLARS = ("$", "$")
Noun = tuple[str, str]


class Impossible(Exception):
    """The fact contradicts, or refers to something that was never given."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A non-negative whole number of something, with the facts and steps it came from."""

    value: int
    noun: Noun
    facts: frozenset[int]
    steps: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return f"${self.value}" if self.noun == DOLLARS else str(self.value)


@dataclass(frozen=True, slots=True)
class Step:
    """One equation, and whose quantity it gives ("" for nobody's)."""

    skill: str
    equation: str
    noun: Noun
    value: int
    owner: str


@dataclass(slots=True)
class World:
    """The ledger that all families share; a family adds one `do_<op>` per operation."""

    theme: Theme
    steps: list[Step] = field(default_factory=list)
    answer: Quantity | None = None
    fact: int = -1

    def apply(self, fact: Fact) -> None:
        """Take in one fact; raises Impossible."""
        if self.answer is not None:
            raise Impossible("a sentence after the question")
        self.fact += 1
        act: Callable[[Mapping[str, str]], Quantity | None] = getattr(self, f"do_{fact.op}")
        if fact.slots.get("a") is not None and fact.slots.get("a") == fact.slots.get("b"):
            raise Impossible("one actor in two roles")
        answer = act(fact.slots)
        if fact.op.startswith("ask_"):
            self.answer = self.need(answer)

    def given(self, text: str, noun: Noun) -> Quantity:
        return Quantity(int(text), noun, frozenset({self.fact}))

    def need(self, quantity: Quantity | None) -> Quantity:
        if quantity is None:
            raise Impossible("never given")
        return quantity

    def unset(self, quantity: object) -> None:
        if quantity is not None:
            raise Impossible("given twice")

    def combine(
        self, skill: str, left: Quantity, right: Quantity, noun: Noun, owner: str = ""
    ) -> Quantity:
        """left (+ - * /) right; raises Impossible when it is negative or not whole."""
        a, b = left.value, right.value
        if skill == "divide":
            if b == 0 or a % b:
                raise Impossible("does not divide")
            value, sign = a // b, "/"
        else:
            value, sign = {"add": (a + b, "+"), "subtract": (a - b, "-"), "multiply": (a * b, "*")}[
                skill
            ]
        if value < 0:
            raise Impossible("negative")
        return self._note(skill, f"{left} {sign} {right}", value, noun, owner, (left, right))

    def share_of(self, part: str, whole: Quantity, owner: str = "") -> Quantity:
        """A fraction or percentage of a quantity; raises Impossible when it is not whole."""
        percent = part.endswith("%")
        top, bottom = (int(part[:-1]), 100) if percent else FRACTIONS[part]
        if whole.value * top % bottom:
            raise Impossible("not whole")
        shown = part if percent else f"{top}/{bottom}"
        skill = "percent" if percent else "fraction"
        value = whole.value * top // bottom
        return self._note(skill, f"{shown} of {whole}", value, whole.noun, owner, (whole,))

    def _note(
        self,
        skill: str,
        lhs: str,
        value: int,
        noun: Noun,
        owner: str,
        sources: Sequence[Quantity],
    ) -> Quantity:
        facts = frozenset({self.fact}).union(*(q.facts for q in sources))
        steps = frozenset({len(self.steps)}).union(*(q.steps for q in sources))
        result = Quantity(value, noun, facts, steps)
        self.steps.append(Step(skill, f"{lhs} = {result}", noun, value, owner))
        return result


def times_of(text: str) -> str:
    return str(TIMES[text])
