"""Worked steps, wrong solutions, tutoring dialogues and drills: the texts around an answer."""

import random
import re
from collections.abc import Sequence

from .problem_world import DOLLARS, Step

REASONS = {
    "add": ("add the two amounts", "put both numbers together", "take the sum of the two"),
    "subtract": ("take one amount away", "subtract the second number", "find what remains"),
    "multiply": ("multiply the two numbers", "count equal groups", "take it that many times"),
    "divide": ("divide the two numbers", "split it into equal parts", "see how often it fits"),
    "fraction": ("take the fraction", "find that part of the whole", "work out the part"),
    "percent": ("take the percentage", "find the percent of the whole", "work out the percent"),
}
OWNED = ("{a} then has {eq}", "this gives {a} {eq}", "so {a} is at {eq}", "{a} gets to {eq}")
PLAIN = ("that makes {eq}", "this gives {eq}", "the result is {eq}", "it comes to {eq}")
OPENERS = ("Then", "Next", "After that", "Now")
EQUATION = re.compile(r"(?:(\d+%|\d+/\d+) of (\$?\d+)|(\$?\d+) ([-+*/]) (\$?\d+)) = (\$?)(\d+)")
_HINTS = ("What should we find first?", "How would you begin?", "Let us go step by step.")
_ASKS = ("How do I start?", "Can you help me with it?", "I am not sure how to solve it.")
_GOOD = ("Right.", "Good.", "Yes, that is correct.", "Well done.", "Exactly.")
_OKAY = ("I see.", "Okay.", "That makes sense.", "Got it.")
_ENDS = ("So the answer is {}.", "The final answer is {}.", "That means the answer is {}.")


def with_noun(value: int, noun: tuple[str, str]) -> str:
    """A count and its noun in the right number."""
    return f"{value} {noun[0] if value == 1 else noun[1]}"


def step_sentences(steps: Sequence[Step], rng: random.Random) -> tuple[str, ...]:
    """One sentence a step, each with exactly one equation."""
    sentences = []
    for i, step in enumerate(steps):
        last = i and i == len(steps) - 1
        opener = "First" if i == 0 else rng.choice((*OPENERS, "Finally") if last else OPENERS)
        noun = "" if step.noun == DOLLARS else f" {step.noun[step.value != 1]}"
        result = rng.choice(OWNED if step.owner else PLAIN)
        said = result.format(a=step.owner, eq=f"{step.equation}{noun}")
        sentences.append(f"{opener}, {rng.choice(REASONS[step.skill])}: {said}.")
    return tuple(sentences)


def compute(part: str | None, left: int, sign: str, right: int) -> int:
    """The value of one equation's left side; rounded down where it does not come out whole."""
    if part:
        top, bottom = (part[:-1], "100") if part.endswith("%") else part.split("/")
        return left * int(top) // int(bottom)
    if sign == "/":
        return left // max(right, 1)
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def _swapped(number: int, rng: random.Random) -> int:
    swapped = int(str(number)[::-1])
    return swapped if swapped != number else number + rng.choice((1, 2, 10))


def _slip(value: int, rng: random.Random) -> int:
    options = [value + d for d in (-10, -2, -1, 1, 2, 10) if value + d > 0]
    return rng.choice([*options, _swapped(value, rng)])


def _mangle(sentence: str, at: bool, changed: dict[int, int], rng: random.Random) -> str | None:
    """The step redone with earlier wrong results, and a new error if `at`; None drops it."""
    found = EQUATION.search(sentence)
    if found is None:
        raise ValueError(f"no equation in {sentence!r}")
    part, whole, first, sign, second, mark, right_result = found.groups()
    dollars = ["$" if text and text[0] == "$" else "" for text in (whole or first, second)]
    values = [int(text.lstrip("$")) if text else 0 for text in (whole or first, second)]
    left, right = (changed.get(value, value) for value in values)
    kind = rng.choice(("slip", "slip", "operation", "swap", "ignore")) if at else "none"
    if kind == "ignore":
        changed[int(right_result)] = left
        return None
    if kind == "swap":
        left = _swapped(left, rng)
    if kind == "operation" and sign:
        sign = {"+": "-", "-": "+", "*": "+", "/": "-"}[sign]
    if sign == "-" and right > left:
        left, right = right, left
    value = compute(part, left, sign or "", right)
    if kind == "slip" or (kind == "operation" and part):
        value = _slip(value, rng)
    changed[int(right_result)] = value
    lhs = f"{dollars[0]}{left}"
    lhs = f"{part} of {lhs}" if part else f"{lhs} {sign} {dollars[1]}{right}"
    return sentence.replace(found[0], f"{lhs} = {mark}{value}")


def corrupt_steps(
    steps: Sequence[str], answer: str, rng: random.Random
) -> tuple[tuple[str, ...], str]:
    """Steps with one error carried forward, and the wrong answer that they lead to."""
    found = re.search(r"\d+", answer)
    if found is None:
        raise ValueError(f"no number in {answer!r}")
    right = int(found[0])
    for _ in range(30):
        at, changed = rng.randrange(len(steps)), dict[int, int]()
        redone = [_mangle(step, i == at, changed, rng) for i, step in enumerate(steps)]
        kept = tuple(step for step in redone if step is not None)
        value = changed[right]
        if kept and value != right and 0 <= value <= 9999:
            first = re.sub(r"^[A-Z][a-z ]+,", "First,", kept[0])
            return (first, *kept[1:]), answer.replace(found[0], str(value), 1)
    wrong = str(right + 1)
    last = re.sub(rf"= (\$?){right}\b", rf"= \g<1>{wrong}", steps[-1])
    return (*steps[:-1], last), answer.replace(found[0], wrong, 1)


def render_dialogue_turns(
    text: str, steps: Sequence[str], answer: str, rng: random.Random
) -> list[str]:
    """4 to 8 turns; the first states the problem word for word, the last the answer."""
    turns = [text, rng.choice(_HINTS)]
    if rng.random() < 0.3:
        turns += [rng.choice(_ASKS), rng.choice(("Of course. ", "Sure. ", "")) + steps[0]]
    else:
        turns += [steps[0]]
    for step in steps[1:]:
        reply = rng.choice(_GOOD if len(turns) % 2 else _OKAY)
        turns.append(f"{reply} {step}")
    end = rng.choice(_ENDS).format(answer)
    if len(turns) % 2:
        turns.append(f"{rng.choice(_GOOD)} {end}")
    elif len(turns) < 8:
        turns += [f"{rng.choice(_OKAY)} {end}"]
        if len(turns) < 8:
            turns.append(f"{rng.choice(_GOOD)} It is {answer}.")
    else:
        turns[-1] = f"{turns[-1]} {end}"
    return [f"{'Tutor' if i % 2 else 'Student'}: {turn}" for i, turn in enumerate(turns)]


def drill_line(rng: random.Random, spans: Sequence[tuple[int, int]]) -> str:
    """6 to 10 equations, separated by "; "."""
    return "; ".join(_equation(rng, rng.choice(spans)) for _ in range(rng.randint(6, 10)))


def _equation(rng: random.Random, span: tuple[int, int]) -> str:
    a, b, small = rng.randint(*span), rng.randint(2, span[1]), rng.randint(2, 9)
    money = "$" if rng.random() < 0.2 else ""
    match rng.randrange(6):
        case 0:
            return f"{money}{a} + {money}{b} = {money}{a + b}"
        case 1:
            return f"{money}{a + b} - {money}{b} = {money}{a}"
        case 2:
            return f"{money}{a} * {small} = {money}{a * small}"
        case 3:
            return f"{a * small} / {small} = {a}"
        case 4:
            percent, base = rng.choice(((10, 10), (20, 5), (25, 4), (50, 2), (75, 4), (5, 20)))
            whole = base * rng.randint(2, max(3, span[1] // 4))
            return f"{percent}% of {money}{whole} = {money}{whole * percent // 100}"
        case _:
            bottom = rng.choice((2, 3, 4, 5, 6, 8, 10))
            top, unit = rng.randint(1, bottom - 1), rng.randint(2, max(3, span[1] // 4))
            return f"{top}/{bottom} of {bottom * unit} = {top * unit}"
