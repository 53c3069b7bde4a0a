"""Composes word problems with their worked solutions; every text is one the oracle can read.

A (theme, number range) pair belongs to the train split or to the held-out split, never to both.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from .problem_grammar import FAMILIES, SLOT, Fact, choices, write_sentence
from .problem_oracle import answer_value, run_facts, true_answer
from .problem_plans import Move, draw_plan
from .problem_solutions import (
    corrupt_steps,
    drill_line,
    render_dialogue_turns,
    step_sentences,
    with_noun,
)
from .problem_stock import Stock
from .problem_trade import Goal, Trip
from .problem_world import DOLLARS, Impossible, World
from .themes import Theme, names, themes

__all__ = [
    "EASY",
    "RANGES",
    "Problem",
    "Split",
    "answer_value",
    "combos",
    "compose_problem",
    "corrupt_solution",
    "drill",
    "render_problem_dialogue",
    "render_solution",
    "render_topic",
    "true_answer",
]

Split = Literal["train", "held_out"]
RANGES: Mapping[str, tuple[int, int]] = {"low": (2, 15), "mid": (16, 40), "high": (41, 100)}
EASY: Mapping[str, int] = {"low": 6, "mid": 3, "high": 1}
"""Weights by which small numbers are the most frequent."""
MOST = 1000
HELD_OUT_OF_100 = 20
SMALL_N = frozenset({"start_boxes", "gain_boxes", "buy", "ride", "rest", "share", "pack"})
BIG_N = frozenset({"want", "want_money", "route", "purse"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A word problem; `answer` is the answer to `text`, reached by `steps`."""

    theme: str
    skills: tuple[str, ...]
    text: str
    steps: tuple[str, ...]
    answer: str


@cache
def combos(split: Split) -> tuple[tuple[str, str], ...]:
    """The (theme, number range) pairs of a split."""

    def side(pair: tuple[str, str]) -> Split:
        digest = hashlib.sha256("/".join(pair).encode()).digest()
        return "held_out" if int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_OF_100 else "train"

    pairs = [(theme, span) for theme in themes() for span in RANGES]
    return tuple(pair for pair in pairs if side(pair) == split)


def _divisors(n: int) -> list[int]:
    return [d for d in range(2, min(n, 101)) if n % d == 0]


def _dividend(world: World, op: str, actor: str) -> int | None:
    """The number that this op's own number will have to divide, where there is one."""
    quantity = None
    if isinstance(world, Goal) and op in ("rate", "save"):
        quantity = world.want
    elif isinstance(world, Trip) and op == "speed":
        quantity = world.route
    elif isinstance(world, Stock) and op in ("share", "pack"):
        quantity = world.held.get(actor)
    return quantity.value if quantity else None


def _number(rng: random.Random, slot: str, op: str, span: tuple[int, int], divides: int) -> int:
    low, high = span
    if slot == "n" and divides and (options := _divisors(divides)):
        return rng.choice(options)
    if (slot == "n" and op in SMALL_N) or (slot == "m" and op == "start_made"):
        return rng.randint(2, 9)
    if slot == "n" and op in BIG_N:
        return min(MOST, rng.randint(low, high) * rng.choice((2, 3, 4, 5, 6, 8, 10)))
    if slot == "p" and op == "sell_all":
        return rng.randint(2, 9)
    if op == "gain_boxes":
        return rng.randint(2, min(high, 20))
    relaxed = op in ("lose", "give", "fewer", "more", "coupon", "fee", "faster", "help", "gift")
    return rng.randint(2 if relaxed else low, high)


class _Draft:
    """A problem in the making: facts so far, the sentences that state them, and their world."""

    def __init__(self, rng: random.Random, theme: Theme, span: tuple[int, int]) -> None:
        self.rng, self.theme, self.span = rng, theme, span
        self.words = choices(theme)
        self.cast = rng.sample(names(), 3)
        self.items = rng.sample(theme.items, 2)
        self.color = rng.choice(self.words["color"])
        self.facts: list[Fact] = []
        self.sentences: list[str] = []
        self.world: World | None = None

    def _slot(self, slot: str, move: Move, divides: int) -> str:
        if slot in ("n", "m", "p"):
            return str(_number(self.rng, slot, move.op, self.span, divides))
        fixed = {
            "a": self.cast[move.a],
            "b": self.cast[move.b],
            "items": self.items[move.item][1],
            "item": self.items[move.item][0],
            "item2": self.items[1][0],
            "color": self.color,
        }
        return fixed.get(slot) or self.rng.choice(self.words[slot])

    def add(self, family: str, move: Move) -> bool:
        """Whether some draw of this move's numbers made sense; if so it is now part."""
        template = self.rng.choice(FAMILIES[family][move.op])
        for _ in range(25):
            divides = _dividend(self.world, move.op, self.cast[move.a]) if self.world else None
            slots = {s: self._slot(s, move, divides or 0) for s in SLOT.findall(template)}
            facts = [*self.facts, Fact(family, move.op, slots)]
            try:
                world = run_facts(self.theme, facts, partial=True)
            except Impossible:
                continue
            if all(1 <= step.value <= MOST for step in world.steps):
                self.facts, self.world = facts, world
                self.sentences.append(write_sentence(template, slots))
                return True
        return False


def _attempt(
    rng: random.Random, theme: Theme, span: tuple[int, int], n_steps: int
) -> Problem | None:
    family, plan = draw_plan(rng)
    draft = _Draft(rng, theme, span)
    if not all(draft.add(family, move) for move in plan):
        return None
    world = draft.world
    if world is None or world.answer is None:
        return None
    answer = world.answer
    unused = set(range(len(plan) - 1)) - answer.facts
    if unused or len(answer.steps) != n_steps:
        return None
    steps = [world.steps[i] for i in sorted(answer.steps)]
    return Problem(
        theme.name,
        tuple(dict.fromkeys(step.skill for step in steps)),
        " ".join(draft.sentences),
        step_sentences(steps, rng),
        str(answer) if answer.noun == DOLLARS else with_noun(answer.value, answer.noun),
    )


def compose_problem(
    rng: random.Random,
    split: Split,
    *,
    theme: str | None = None,
    n_steps: int | None = None,
    ease: Mapping[str, int] | None = None,
) -> Problem:
    """A random problem of a split, with 1 to 4 equations.

    `ease` weighs the number ranges; without it all are drawn alike. Raises ValueError when the
    split has no number range for the theme, or n_steps is not 1..4.
    """
    pairs = [pair for pair in combos(split) if theme in (None, pair[0])]
    if not pairs:
        raise ValueError(f"no {split} problems for theme {theme!r}")
    if n_steps not in (None, 1, 2, 3, 4):
        raise ValueError("n_steps must be 1, 2, 3 or 4")
    target = n_steps or rng.choice((1, 2, 2, 2, 3, 3, 3, 4))
    weights = [ease[span] for _, span in pairs] if ease else None
    while True:
        name, span = rng.choices(pairs, weights)[0] if weights else rng.choice(pairs)
        problem = _attempt(rng, themes()[name], RANGES[span], target)
        if problem is not None:
            return problem


def render_topic(problem: Problem) -> str:
    """The source text that prompts for a problem like this one."""
    skills = ", ".join(problem.skills)
    return f"Topic: {problem.theme}\nSteps: {len(problem.steps)}\nSkills: {skills}"


def _render(steps: tuple[str, ...], answer: str) -> str:
    lines = [f"Step {i}: {step}" for i, step in enumerate(steps, 1)]
    return "\n".join([*lines, f"Answer: {answer}"])


def render_solution(problem: Problem) -> str:
    """The worked solution, one line a step, then the answer."""
    return _render(problem.steps, problem.answer)


def corrupt_solution(problem: Problem, rng: random.Random) -> str:
    """A plausible wrong solution; its final answer always differs from the right one."""
    return _render(*corrupt_steps(problem.steps, problem.answer, rng))


def render_problem_dialogue(problem: Problem, rng: random.Random) -> str:
    """A student and a tutor work through the problem in 4 to 8 turns."""
    return "\n".join(render_dialogue_turns(problem.text, problem.steps, problem.answer, rng))


def drill(rng: random.Random, ease: Mapping[str, int] | None = None) -> str:
    """A line of 6 to 10 bare equations of the kinds that solutions use; `ease` as above."""
    times = ease or dict.fromkeys(RANGES, 1)
    return drill_line(rng, [RANGES[name] for name in RANGES for _ in range(times[name])])
