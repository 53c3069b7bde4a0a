"""Word problems for the scripted engine: written with a chosen mistake or none, and solved again.

A problem is an opening that gives a number, one to three events that change it, and a question.
Solving reads the sentences back through the templates that wrote them.
"""

import operator
import random
import re
from collections.abc import Callable
from typing import Final

from workers.recipes import problem_set


def phrases(text: str, separator: str = "|") -> list[str]:
    """The parts of a long literal, in order."""
    return text.split(separator)


NAMES: Final = phrases(
    "Ada Ben Carla Dmitri Elif Femi Grace Hugo Ines Jonas Kavya Liam Mira Noor Oskar Priya "
    "Quentin Rosa Sven Tara Umar Vera Wanda Xenia Yusuf Zoe",
    " ",
)
ITEMS: Final = phrases(
    "apples marbles stamps candles postcards lanterns bricks tickets notebooks buttons shells "
    "tulips pencils coins ribbons kites acorns spoons puzzles baskets",
    " ",
)
PLACES: Final = phrases(
    "at the harbour market|in an old attic|behind the school|at a summer fair|on the top shelf|"
    "in the workshop|beside the river|in a village shop|under the stairs|at the railway station|"
    "in the library cellar|on a long table"
)
SCENES: Final = phrases(
    "It is a windy morning.|The rain has just stopped.|A neighbour is watching closely.|"
    "The evening is quiet.|Snow covers the roofs.|Everyone is in a good mood.|"
    "The shop opens early today.|Music drifts in from the street.|Nobody is in a hurry."
)
OPENINGS: Final = phrases(
    "{name} has {n} {item} {place}.|{place}, {name} counts {n} {item}.|"
    "{name} keeps {n} {item} {place}.|There are {n} {item} {place}, and they belong to {name}.|"
    "{name} starts the day with {n} {item} {place}.|{name} finds {n} {item} {place}."
)
EVENTS: Final = {
    "+": phrases(
        "{name} then buys {n} more.|A friend brings another {n}.|{n} others arrive by post.|"
        "{name} is given {n} extra ones.|Later {n} are added to the pile."
    ),
    "-": phrases(
        "{name} gives away {n} of them.|{n} of them are lost.|A cousin borrows {n}.|"
        "{name} sells {n} before noon.|By lunchtime {n} have been broken."
    ),
    "*": phrases(
        "By the end of the week there are {n} times as many.|"
        "With help from others the collection grows to {n} times its size.|"
        "{name} trades until there are {n} for every single one before."
    ),
    "/": phrases(
        "They are split evenly among {n} boxes, and only one box is kept.|"
        "{name} shares them equally with a group, {n} people in all, and keeps one share."
    ),
}
QUESTIONS: Final = phrases(
    "How many {item} does {name} have now?|How many {item} are left in the end?|"
    "What is the final number of {item}?|How many {item} can {name} count at last?"
)
STEPS: Final = ("That makes {}.", "So we get {}.", "Now there are {}.", "This gives {}.", "{}.")
OPERATIONS: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
}


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\{n\}", r"(?P<n>\d+)")
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+?", text), re.IGNORECASE)


_READ: Final = [
    (sign, _pattern(template))
    for sign, templates in (("", OPENINGS), *EVENTS.items())
    for template in templates
]
_SENTENCE: Final = re.compile(r"[^.?!]+[.?!]")


def write(rng: random.Random, wrong: bool) -> str:
    """A problem, its solution and the answer; `wrong` plants one mistake in the solution."""
    name, item, place = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(PLACES)
    total = start = rng.randint(12, 480)
    events: list[tuple[str, int]] = []
    for _ in range(rng.randint(1, 3)):
        sign, n = _event(rng, total)
        events.append((sign, n))
        total = OPERATIONS[sign](total, n)
    told = [rng.choice(OPENINGS).format(name=name, n=start, item=item, place=place)]
    told += [rng.choice(SCENES)] if rng.random() < 0.7 else []
    told += [rng.choice(EVENTS[sign]).format(name=name, n=n) for sign, n in events]
    told.append(rng.choice(QUESTIONS).format(name=name, item=item))
    problem = " ".join(sentence[0].upper() + sentence[1:] for sentence in told)
    mistake = rng.choice(("slip", "misread", "answer")) if wrong else ""
    return problem_set.render(problem, _solution(start, events, rng, mistake))


def solve(problem: str, rng: random.Random, wrong: bool = False) -> str:
    """Steps and an `Answer:` line for a problem that `write` wrote; no answer for any other."""
    start: int | None = None
    events: list[tuple[str, int]] = []
    for sentence in _SENTENCE.findall(problem):
        for sign, pattern in _READ:
            if match := pattern.fullmatch(sentence.strip()):
                if sign:
                    events.append((sign, int(match["n"])))
                else:
                    start = int(match["n"])
                break
    if start is None:
        return "The problem gives no number to start from.\nAnswer: unknown"
    return _solution(start, events, rng, "slip" if wrong else "")


def _event(rng: random.Random, total: int) -> tuple[str, int]:
    """A change that leaves a whole number above zero."""
    divisors = [n for n in range(2, 10) if total % n == 0 and total > n]
    sign = rng.choice("++--*/" if divisors and total > 6 else "++*")
    if sign == "/":
        return sign, rng.choice(divisors)
    if sign == "-":
        return sign, rng.randint(2, total - 2)
    return sign, rng.randint(2, 5) if sign == "*" else rng.randint(3, 250)


def _solution(start: int, events: list[tuple[str, int]], rng: random.Random, mistake: str) -> str:
    total, lines = start, []
    where = rng.randrange(len(events)) if events else -1
    for i, (sign, n) in enumerate(events):
        if i == where and mistake == "misread":
            sign = "-" if sign == "+" and total > n else "+"
            n += sign == "+" and events[i][0] == "+"
        result = OPERATIONS[sign](total, n)
        if i == where and mistake == "slip":
            result += rng.choice((1, 2, 9, 10))
        lines.append(rng.choice(STEPS).format(f"{total} {sign} {n} = {result}"))
        total = result
    return "\n".join([*lines, f"Answer: {total + (3 if mistake == 'answer' else 0)}"])
