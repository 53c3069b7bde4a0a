"""The stock family: who has how many of one kind of item, and what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .problem_world import DOLLARS, Impossible, Noun, Quantity, World, times_of

Slots = Mapping[str, str]


@dataclass(slots=True)
class Stock(World):
    """Counts by actor; after an outcome (shared, packed, sold, colored) only its question fits."""

    held: dict[str, Quantity] = field(default_factory=dict)
    outcome: tuple[str, str, str, Quantity] | None = None
    part: Quantity | None = None

    def _noun(self, s: Slots) -> Noun:
        return next(item for item in self.theme.items if item[1] == s["items"])

    def _has(self, name: str) -> Quantity:
        if self.outcome is not None:
            raise Impossible("only the outcome's question may follow")
        return self.need(self.held.get(name))

    def _start(self, name: str, amount: Quantity) -> None:
        self.unset(self.held.get(name))
        self.unset(self.outcome)
        self.held[name] = amount

    def _product(self, s: Slots) -> Quantity:
        noun = self._noun(s)
        return self.combine("multiply", self.given(s["n"], noun), self.given(s["m"], noun), noun)

    def _change(self, skill: str, name: str, amount: Quantity) -> None:
        old = self._has(name)
        self.held[name] = self.combine(skill, old, amount, old.noun, name)

    def do_start(self, s: Slots) -> None:
        self._start(s["a"], self.given(s["n"], self._noun(s)))

    def do_start_boxes(self, s: Slots) -> None:
        self._start(s["a"], self._product(s))

    do_start_made = do_start_boxes

    def do_gain(self, s: Slots) -> None:
        self._change("add", s["a"], self.given(s["n"], self._noun(s)))

    def do_gain_boxes(self, s: Slots) -> None:
        self._change("add", s["a"], self._product(s))

    def do_lose(self, s: Slots) -> None:
        self._change("subtract", s["a"], self.given(s["n"], self._noun(s)))

    def do_lose_part(self, s: Slots) -> None:
        self._change("subtract", s["a"], self.share_of(s["part"], self._has(s["a"])))

    def do_give(self, s: Slots) -> None:
        amount = self.given(s["n"], self._noun(s))
        self._change("subtract", s["a"], amount)
        self._change("add", s["b"], amount)

    def _compare(self, s: Slots, skill: str, inverse: str, number: str) -> None:
        a, b = s["a"], s["b"]
        if a in self.held and b not in self.held:
            a, b, skill = b, a, inverse
        base = self._has(b)
        step = self.combine(skill, base, self.given(number, base.noun), base.noun, a)
        self._start(a, step)

    def do_times_as(self, s: Slots) -> None:
        self._compare(s, "multiply", "divide", times_of(s["times"]))

    def do_more(self, s: Slots) -> None:
        self._compare(s, "add", "subtract", s["n"])

    def do_fewer(self, s: Slots) -> None:
        self._compare(s, "subtract", "add", s["n"])

    def do_part_as(self, s: Slots) -> None:
        self._start(s["a"], self.share_of(s["frac"], self._has(s["b"]), s["a"]))

    def _all_of(self, s: Slots, kind: str, skill: str, number: str, noun: Noun) -> None:
        whole = self._has(s["a"])
        other = self.given(s[number], DOLLARS if number == "p" else whole.noun)
        pair = (other, whole) if skill == "multiply" else (whole, other)
        detail = s.get("people", "")
        self.outcome = (kind, s["a"], detail, self.combine(skill, *pair, noun))

    def do_share(self, s: Slots) -> None:
        self._all_of(s, "each", "divide", "n", self._noun(s))

    def do_pack(self, s: Slots) -> None:
        self._all_of(s, "boxes", "divide", "n", self.theme.box)

    def do_sell_all(self, s: Slots) -> None:
        self._all_of(s, "earned", "multiply", "p", DOLLARS)

    def do_colored(self, s: Slots) -> None:
        whole = self._has(s["a"])
        self.part = self.share_of(s["part"], whole)
        self.outcome = ("colored", s["a"], s["color"], self.part)

    def _result(self, kind: str, s: Slots) -> Quantity:
        if self.outcome is None or self.outcome[0] != kind:
            raise Impossible("asks for what never happened")
        if s.get("a", self.outcome[1]) != self.outcome[1]:
            raise Impossible("asks about another actor")
        if kind == "colored" and s["color"] != self.outcome[2]:
            raise Impossible("asks about another color")
        return self.outcome[3]

    def do_ask_each(self, s: Slots) -> Quantity:
        return self._result("each", s)

    def do_ask_boxes(self, s: Slots) -> Quantity:
        return self._result("boxes", s)

    def do_ask_earned(self, s: Slots) -> Quantity:
        return self._result("earned", s)

    def do_ask_colored(self, s: Slots) -> Quantity:
        return self._result("colored", s)

    def do_ask_not_colored(self, s: Slots) -> Quantity:
        part, whole = self._result("colored", s), self.held[s["a"]]
        return self.combine("subtract", whole, part, whole.noun)

    def do_ask_have(self, s: Slots) -> Quantity:
        return self._has(s["a"])

    def do_ask_total(self, s: Slots) -> Quantity:
        left, right = self._has(s["a"]), self._has(s["b"])
        return self.combine("add", left, right, left.noun)

    def do_ask_all(self, s: Slots) -> Quantity:
        if len(self.held) < 2:
            raise Impossible("they are not several")
        total, *others = [self._has(name) for name in self.held]
        for other in others:
            total = self.combine("add", total, other, total.noun)
        return total

    def do_ask_diff(self, s: Slots) -> Quantity:
        left, right = self._has(s["a"]), self._has(s["b"])
        return self.combine("subtract", left, right, left.noun)
