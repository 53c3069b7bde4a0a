"""The oracle of word problems: reads a text by the composer's own templates and recomputes it."""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

from .problem_grammar import Fact, read_sentence
from .problem_paraphrase import read_freely
from .problem_stock import Stock
from .problem_trade import Goal, Shop, Trip
from .problem_world import Impossible, World
from .themes import Theme, themes

WORLDS: dict[str, type[World]] = {"stock": Stock, "shop": Shop, "goal": Goal, "trip": Trip}
_SENTENCE_END = re.compile(r"(?<=[.?]) ")
_ANSWER = re.compile(r"(?:\$(\d+)|(\d+)(?: [a-z][a-z ]*)?)\.?")


@cache
def _key_index() -> tuple[re.Pattern[str], dict[str, Theme]]:
    index = {key: theme for theme in themes().values() for key in theme.keys}
    longest_first = sorted(index, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"), index


def read_problem(text: str) -> tuple[Theme, list[Fact]] | None:
    """The theme and the facts of a text, or None unless all its sentences can be read.

    First by the templates of one theme, then freely: see problem_paraphrase.
    """
    pattern, index = _key_index()
    sentences = _SENTENCE_END.split(text.strip())
    for name in dict.fromkeys(index[key].name for key in pattern.findall(text)):
        theme = themes()[name]
        facts = [read_sentence(sentence, theme) for sentence in sentences]
        if None not in facts:
            return theme, [fact for fact in facts if fact is not None]
    return read_freely(sentences)


def run_facts(theme: Theme, facts: Sequence[Fact], *, partial: bool = False) -> World:
    """The world after all facts; raises Impossible when they do not belong together.

    Unless partial, the last fact has to be a question.
    """
    families = {fact.family for fact in facts}
    if len(families) != 1:
        raise Impossible("sentences of several families")
    family = families.pop()
    stock_items = {fact.slots["items"] for fact in facts if "items" in fact.slots}
    if family in ("stock", "goal") and len(stock_items) > 1:
        raise Impossible("several kinds of item")
    world = WORLDS[family](theme)
    for fact in facts:
        world.apply(fact)
    if world.answer is None and not partial:
        raise Impossible("no question")
    return world


def true_answer(text: str) -> Fraction | None:
    """The answer that a problem text has, or None if it has none under the grammar."""
    read = read_problem(text)
    if read is None:
        return None
    try:
        answer = run_facts(*read).answer
    except Impossible:
        return None
    return None if answer is None else Fraction(answer.value)


def answer_value(answer: str) -> Fraction | None:
    """The number in an answer such as "42 cookies" or "$12", or None if it is not one."""
    found = _ANSWER.fullmatch(answer.strip())
    return None if found is None else Fraction(int(found[1] or found[2]))
