"""The shop, goal and trip families: bills and change, rates toward a goal, distance and time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .problem_world import DOLLARS, Impossible, Quantity, World, times_of

Slots = Mapping[str, str]
HOURS = ("hour", "hours")
KM = ("km", "km")
WEEKS = ("week", "weeks")


@dataclass(slots=True)
class Single(World):
    """A world about one main actor, who is whoever comes first."""

    actor: str = ""

    def main(self, s: Slots) -> None:
        self.actor = self.actor or s["a"]
        if s["a"] != self.actor:
            raise Impossible("another actor")


@dataclass(slots=True)
class Shop(Single):
    prices: dict[str, Quantity] = field(default_factory=dict)
    bill: Quantity | None = None
    purse: Quantity | None = None
    closed: bool = False

    def do_price(self, s: Slots) -> None:
        self._new_price(s["item"], self.given(s["p"], DOLLARS))

    def _new_price(self, item: str, price: Quantity) -> None:
        self.unset(self.prices.get(item))
        self.prices[item] = price

    def _relative(self, s: Slots, skill: str, number: Quantity) -> None:
        base = self.need(self.prices.get(s["item"]))
        self._new_price(s["item2"], self.combine(skill, base, number, DOLLARS))

    def do_price_more(self, s: Slots) -> None:
        self._relative(s, "add", self.given(s["n"], DOLLARS))

    def do_price_times(self, s: Slots) -> None:
        self._relative(s, "multiply", self.given(times_of(s["times"]), KM))

    def _reprice(self, s: Slots, skill: str) -> None:
        old = self.need(self.prices.get(s["item"]))
        part = self.share_of(s["pct"], old)
        self.prices[s["item"]] = self.combine(skill, old, part, DOLLARS)

    def do_price_up(self, s: Slots) -> None:
        self._reprice(s, "add")

    def do_price_off(self, s: Slots) -> None:
        self._reprice(s, "subtract")

    def do_buy(self, s: Slots) -> None:
        self.main(s)
        item = next(pair for pair in self.theme.items if pair[1] == s["items"])
        if self.closed:
            raise Impossible("buys after the discount")
        price = self.need(self.prices.get(item[0]))
        cost = self.combine("multiply", price, self.given(s["n"], item), DOLLARS)
        self.bill = self.combine("add", self.bill, cost, DOLLARS) if self.bill else cost

    def _close(self, s: Slots, skill: str, amount: Quantity) -> None:
        self.main(s)
        self.bill = self.combine(skill, self.need(self.bill), amount, DOLLARS)
        self.closed = True

    def do_discount(self, s: Slots) -> None:
        self._close(s, "subtract", self.share_of(s["pct"], self.need(self.bill)))

    def do_coupon(self, s: Slots) -> None:
        self._close(s, "subtract", self.given(s["n"], DOLLARS))

    def do_fee(self, s: Slots) -> None:
        self._close(s, "add", self.given(s["n"], DOLLARS))

    def do_purse(self, s: Slots) -> None:
        self.main(s)
        self.unset(self.purse)
        self.purse = self.given(s["n"], DOLLARS)

    def do_ask_pay(self, s: Slots) -> Quantity:
        self.main(s)
        if self.purse is not None and self.purse.value < self.need(self.bill).value:
            raise Impossible("cannot pay")
        return self.need(self.bill)

    def do_ask_change(self, s: Slots) -> Quantity:
        self.main(s)
        return self.combine("subtract", self.need(self.purse), self.need(self.bill), DOLLARS)


@dataclass(slots=True)
class Goal(Single):
    """`money` says which of the two kinds of goal it is."""

    want: Quantity | None = None
    rate: Quantity | None = None
    money: bool = False

    def _less(self, s: Slots, amount: Quantity) -> None:
        self.main(s)
        goal = self.need(self.want)
        if goal.noun != amount.noun or self.rate is not None:
            raise Impossible("another kind of goal, or work already under way")
        self.want = self.combine("subtract", goal, amount, goal.noun)

    def _want(self, s: Slots, amount: Quantity) -> None:
        self.main(s)
        self.unset(self.want)
        self.want = amount

    def _rate(self, s: Slots, amount: Quantity) -> None:
        self.main(s)
        self.unset(self.rate)
        if self.need(self.want).noun != amount.noun:
            raise Impossible("another kind of goal")
        self.rate = amount

    def _count(self, s: Slots) -> Quantity:
        return self.given(s["n"], next(i for i in self.theme.items if i[1] == s["items"]))

    def do_want(self, s: Slots) -> None:
        self._want(s, self._count(s))

    def do_ready(self, s: Slots) -> None:
        self._less(s, self._count(s))

    def do_rate(self, s: Slots) -> None:
        self._rate(s, self._count(s))

    def do_help(self, s: Slots) -> None:
        self.main(s)
        rate, extra = self.need(self.rate), self._count(s)
        if rate.noun != extra.noun:
            raise Impossible("helps with something else")
        self.rate = self.combine("add", rate, extra, rate.noun)

    def do_want_money(self, s: Slots) -> None:
        self._want(s, self.given(s["n"], DOLLARS))

    def do_saved(self, s: Slots) -> None:
        self._less(s, self.given(s["n"], DOLLARS))

    do_gift = do_saved

    def do_save(self, s: Slots) -> None:
        self._rate(s, self.given(s["n"], DOLLARS))

    def _time(self, s: Slots, unit: tuple[str, str], money: bool) -> Quantity:
        self.main(s)
        goal, rate = self.need(self.want), self.need(self.rate)
        if (goal.noun == DOLLARS) != money:
            raise Impossible("another kind of goal")
        return self.combine("divide", goal, rate, unit)

    def do_ask_units(self, s: Slots) -> Quantity:
        return self._time(s, self.theme.unit, False)

    def do_ask_weeks(self, s: Slots) -> Quantity:
        return self._time(s, WEEKS, True)

    def do_ask_missing(self, s: Slots) -> Quantity:
        self.main(s)
        goal = self.need(self.want)
        if goal.noun != DOLLARS or self.rate is not None:
            raise Impossible("no sum is missing")
        return goal


@dataclass(slots=True)
class Trip(World):
    """One vehicle; `gone` is the distance covered so far."""

    route: Quantity | None = None
    speed: Quantity | None = None
    gone: Quantity | None = None
    rest: Quantity | None = None
    changed: bool = False

    def do_route(self, s: Slots) -> None:
        self.unset(self.route)
        self.route = self.given(s["n"], KM)

    def do_speed(self, s: Slots) -> None:
        self.unset(self.speed)
        self.speed = self.given(s["n"], KM)

    def do_faster(self, s: Slots) -> None:
        self.changed = True
        self.speed = self.combine("add", self.need(self.speed), self.given(s["n"], KM), KM)

    def do_slower(self, s: Slots) -> None:
        self.changed = True
        old = self.need(self.speed)
        self.speed = self.combine("subtract", old, self.share_of(s["pct"], old), KM)

    def do_ride(self, s: Slots) -> None:
        leg = self.combine("multiply", self.need(self.speed), self.given(s["n"], HOURS), KM)
        self.gone = self.combine("add", self.gone, leg, KM) if self.gone else leg
        if self.route and self.gone.value > self.route.value:
            raise Impossible("past the end of the route")

    def do_rest(self, s: Slots) -> None:
        self.unset(self.rest)
        self.rest = self.given(s["n"], HOURS)

    def do_ask_far(self, s: Slots) -> Quantity:
        return self.need(self.gone)

    def do_ask_left(self, s: Slots) -> Quantity:
        return self.combine("subtract", self.need(self.route), self.need(self.gone), KM)

    def do_ask_hours(self, s: Slots) -> Quantity:
        self.unset(self.gone)
        if self.changed:
            raise Impossible("no one speed for the whole route")
        hours = self.combine("divide", self.need(self.route), self.need(self.speed), HOURS)
        return self.combine("add", hours, self.rest, HOURS) if self.rest else hours

    def do_ask_hours_left(self, s: Slots) -> Quantity:
        self.unset(self.rest)
        return self.combine("divide", self.do_ask_left(s), self.need(self.speed), HOURS)
