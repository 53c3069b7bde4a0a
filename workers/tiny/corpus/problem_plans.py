"""Which sentences a problem has, in what order and about whom: its structure before any numbers."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Move:
    """One operation; `a` and `b` index the cast, `item` the two items of the problem."""

    op: str
    a: int = 0
    b: int = 1
    item: int = 0


STARTS = ("start", "start", "start_boxes", "start_made")
CHANGES = ("gain", "gain", "gain_boxes", "lose", "lose", "lose_part")
RELATIONS = ("times_as", "more", "fewer", "part_as")
ENDS = (
    ("ask_have",),
    ("ask_have",),
    ("share", "ask_each"),
    ("pack", "ask_boxes"),
    ("sell_all", "ask_earned"),
    ("colored", "ask_colored"),
    ("colored", "ask_not_colored"),
)


def _chain(rng: random.Random) -> list[Move]:
    changes = [Move(rng.choice(CHANGES)) for _ in range(rng.randint(0, 3))]
    ends = [Move(op) for op in rng.choice(ENDS)]
    return [Move(rng.choice(STARTS)), *changes, *ends]


def _compare(rng: random.Random) -> list[Move]:
    moves = [Move(rng.choice(STARTS[:3])), Move(rng.choice(RELATIONS), 1, 0)]
    match rng.randrange(4):
        case 0:
            moves += [Move(rng.choice(CHANGES), 1), *(Move(op, 1) for op in rng.choice(ENDS))]
        case 1:
            moves += [Move(rng.choice(RELATIONS), 2, rng.randrange(2)), Move("ask_all")]
        case 2:
            moves += [Move(op, 1) for op in rng.choice(ENDS)]
        case _:
            pair = rng.choice(((0, 1), (1, 0)))
            if rng.random() < 0.4:
                moves.append(Move(rng.choice(CHANGES), rng.randrange(2)))
            moves.append(Move(rng.choice(("ask_total", "ask_diff")), *pair))
    return moves


def _give(rng: random.Random) -> list[Move]:
    moves = [Move(rng.choice(STARTS[:3])), Move(rng.choice(STARTS[:3]), 1)]
    if rng.random() < 0.6:
        moves.append(Move("give", *rng.choice(((0, 1), (1, 0)))))
    pair = rng.choice(((0, 1), (1, 0)))
    return [*moves, Move(rng.choice(("ask_diff", "ask_diff", "ask_total")), *pair)]


def _shop(rng: random.Random) -> list[Move]:
    two = rng.random() < 0.4
    moves = [Move("price")]
    if rng.random() < 0.25:
        moves.append(Move(rng.choice(("price_up", "price_off"))))
    if two:
        moves.append(Move(rng.choice(("price_more", "price_times"))))
    bought = rng.choice(((0, 1), (1,))) if two else (0,)
    moves += [Move("buy", item=item) for item in bought]
    if rng.random() < 0.5:
        moves.append(Move(rng.choice(("discount", "coupon", "fee"))))
    if rng.random() < 0.5:
        moves.insert(rng.choice((0, len(moves))), Move("purse"))
        return [*moves, Move("ask_change")]
    return [*moves, Move("ask_pay")]


def _goal(rng: random.Random) -> list[Move]:
    if rng.random() < 0.5:
        ready = [Move("ready")] if rng.random() < 0.6 else []
        helped = [Move("help")] if rng.random() < 0.4 else []
        return [Move("want"), *ready, Move("rate"), *helped, Move("ask_units")]
    gifts = [Move("gift")] if rng.random() < 0.5 else []
    ends = rng.choice((("save", "ask_weeks"), ("save", "ask_weeks"), ("ask_missing",)))
    return [Move("want_money"), Move("saved"), *gifts, *map(Move, ends)]


def _trip(rng: random.Random) -> list[Move]:
    change = rng.choice(("faster", "slower"))
    plans = (
        ("speed", "ride", "ask_far"),
        ("speed", "ride", change, "ride", "ask_far"),
        ("route", "speed", "ask_hours"),
        ("route", "speed", "rest", "ask_hours"),
        ("route", "speed", "ride", change, "ask_hours_left"),
        ("route", "speed", "ride", "ask_left"),
        ("route", "speed", "ride", "ask_hours_left"),
        ("speed", change, "ride", "ask_far"),
    )
    return [Move(op) for op in rng.choice(plans)]


DRAWS = (
    *(("stock", _chain),) * 4,
    *(("stock", _compare),) * 3,
    ("stock", _give),
    *(("shop", _shop),) * 3,
    *(("goal", _goal),) * 2,
    *(("trip", _trip),) * 2,
)


def draw_plan(rng: random.Random) -> tuple[str, list[Move]]:
    """A family and the moves of one problem of that family."""
    family, draw = rng.choice(DRAWS)
    return family, draw(rng)
