"""Text written to stall or break a grader: judged within moments, or refused with a reason."""

import asyncio
import random
import time
import tracemalloc
from collections.abc import Callable
from itertools import chain

import pytest

from graders.answers import AnswersGrader
from graders.arithmetic import find_equations
from graders.claims import split_sentences
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.entailment.premise import SourceIndex
from graders.equivalence import same_answer
from graders.final_answer import answer_in
from graders.grounding import MAX_CHARS, check_claim, index_source
from graders.names import find_names
from graders.problem_validity import find_flaws
from graders.quantities import find_quantities
from graders.types import Candidate, Source
from graders.working import check_working
from graders.wrapped import find_wrapped
from workers.recipes import SHIPPED, MalformedTextError

LETTERS = "".join(random.Random(1).choices("abcdefghijklmnop", k=20_000))
WORDS = [LETTERS[n : n + 8].capitalize() for n in range(0, 16_000, 4)]
NAMES = " ".join(f"x {LETTERS[n : n + 9].capitalize()}" for n in range(19_000))
SECONDS = 4.0
"""Far above what these take; before they were mended each took from ten seconds to hours."""


@pytest.mark.parametrize(
    "judge",
    [
        lambda: find_equations("1 of " * 1800),
        lambda: find_equations("(((1/999999)^64)^64)^64 = 1"),
        lambda: split_sentences("." * 20_000 + "a"),
        lambda: split_sentences("Dr. " * 5000),
        lambda: split_sentences("\n" * 100_000),
        lambda: split_sentences("a\n" * 50_000),
        lambda: split_sentences("A b. " * 20_000),
        lambda: split_sentences("please note that " * 5000),
        lambda: split_sentences(LETTERS + " b. C"),
        lambda: check_working(LETTERS, "1 + 1 = 2", "2"),
        lambda: answer_in("#" * 20_000 + "\n" * 20_000),
        lambda: same_answer("5", r"\binom{9999999}{4999999}"),
        lambda: same_answer("5", r"\frac{" * 30 + "1" + "}{2}" * 30),
        lambda: check_working("How many are 5?", "7" * 20_000, "2"),
        lambda: check_working("How many are 5?", "12 * 3 = 37 and " * 1200, "2", traced=False),
        lambda: find_flaws("Ann has 5 more pens than Ann has 5 more " * 500),
        lambda: find_flaws(
            "Each pear costs $1. Ann buys 4 pallets. The price of one pal falls " * 60
        ),
        lambda: find_flaws("Ann is short of Bo has " * 200 + "a 14 pallets?" * 100),
        lambda: check_working(
            "does " + "does Aaa does Aab " * 1000 + "?", "5 * 5 = 25. " * 1500, "25"
        ),
        lambda: [*chain(*(find_names(f"{word} fell.", frozenset(), NAMES) for word in WORDS))],
        lambda: answer_in("\\boxed{" * 2500 + "<<" * 2000 + "answer is " * 500),
        lambda: answer_in("A: x" + " " * 100_000 + "\ny 5"),
        lambda: answer_in("A:" + " " * 100_000 + "x\ny 5"),
        lambda: find_wrapped("Did you know that " + "?" * 100_000 + "x?"),
        lambda: find_wrapped("Did you know " + "x " * 50_000 + " ?"),
        lambda: find_wrapped("x, " * 30_000 + "right?x?"),
        lambda: same_answer("5", "1" + " " * 100_000 + "x"),
        lambda: same_answer("(x+y+z)^{30}", "(x+y+z+1)^{30}"),
        lambda: same_answer("(x+y+z)^{-8}", "(x+y+w)^{-8}"),
        lambda: same_answer("|x+y+z|^{30}", "|x+y+w|^{30}"),
        lambda: same_answer("x^{40} + x + 1 = 0", "x^{40} + x + 2 = 0"),
        lambda: same_answer(r"(\sin(x)+\cos(y))^{8}", r"(\sin(x)+\cos(z))^{8}"),
        lambda: same_answer("".join(f"({c}+1)" for c in "abcdfghjklmnpqrtuv"), "222"),
    ],
)
def test_hostile_text_is_judged_in_moments(judge: Callable[[], object]) -> None:
    began = time.process_time()
    judge()
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        ("essay", "Thesis: x" + "\n" * 20_000),
        ("problem_set", "Problem: x" + "\n" * 5000),
        ("problem_set", "Problem: x" + "\nSolution: x" * 4000),
    ],
)
def test_hostile_shapes_are_refused_in_moments(recipe: str, text: str) -> None:
    began = time.process_time()
    with pytest.raises(MalformedTextError):
        SHIPPED[recipe].parse(text)
    assert time.process_time() - began < SECONDS


def test_a_sentence_too_long_to_check_is_evidence_against_the_text() -> None:
    [claim] = split_sentences("It has 5 moons and " * 200 + "rings.")
    [finding] = check_claim(claim, index_source("Moons: 5\nRings: yes"), frozenset())
    assert len(claim.text) > MAX_CHARS and "over 2000 characters" in finding.reason


def test_a_result_too_large_to_compute_does_not_hold() -> None:
    [equation] = find_equations("999999^64 * 999999^64 = 5")
    assert equation.value is None and not equation.holds


SIZES = (1, 60)
TEXTS: dict[str, Callable[[int], str]] = {
    "numbers": lambda n: "".join(
        f"It has {k} moons and {k * 7} rings of {k} km. " for k in range(8 * n)
    ),
    "names": lambda n: "".join(
        f"Xa{k}bor met Ya{k}dan in Za{k}gul, and she left. " for k in range(8 * n)
    ),
    "words": lambda n: "The old mill is not near the quiet river of the town. " * 7 * n,
    "lines": lambda n: "It is so.\n" * 35 * n,
    "newlines": lambda n: "a\n" * 100 * n + "\n" * 100 * n,
    "one sentence": lambda n: "and so it was 5 km from there to here, " * 8 * n,
}
SOURCES: dict[str, Callable[[int], str]] = {
    "sheet": lambda n: "".join(f"Label {k}: value {k} km of Name{k}\n" for k in range(14 * n)),
    "numbers": lambda n: "".join(
        f"There are {k} moons and {k} km of ring {k}. " for k in range(9 * n)
    ),
    "names": lambda n: "".join(f"Xa{k}por saw Ya{k}tan at Za{k}ful. " for k in range(11 * n)),
    "words": lambda n: "The old mill stands near the quiet river of the town. " * 7 * n,
    "short lines": lambda n: "".join(f"k{k}q w{k}z\n" for k in range(40 * n)),
}
LONGEST_PAUSE = 2.0
MOST_MEMORY = 250_000_000


async def longest_pause(stop: asyncio.Event) -> float:
    """The longest time that the event loop went without turning, in seconds."""
    longest = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - began)
    return longest


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("text", TEXTS)
async def test_long_texts_about_long_sources_stall_no_event_loop(
    text: str, source: str, size: int
) -> None:
    body, told = TEXTS[text](size), SOURCES[source](size)
    candidate = Candidate("b", 0, "essay", body, body, Source("s", told))
    grader, stop = ConsistencyGrader(ConsistencyConfig(model=None)), asyncio.Event()
    watch = asyncio.create_task(longest_pause(stop))
    began = time.process_time()
    [grade] = await grader.grade([candidate])
    assert time.process_time() - began < 6 * SECONDS
    stop.set()
    assert await watch < LONGEST_PAUSE
    assert grade.score is not None or grade.ungraded


@pytest.mark.parametrize("source", SOURCES)
async def test_long_texts_about_long_sources_take_bounded_memory(source: str) -> None:
    body, told = TEXTS["words"](30), SOURCES[source](30)
    candidate = Candidate("b", 0, "essay", body, body, Source("s", told))
    tracemalloc.start()
    try:
        await ConsistencyGrader(ConsistencyConfig(model=None)).grade([candidate])
        SourceIndex(told).premise(body[:1000])
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


async def test_more_pairs_than_the_rules_compare_are_no_opinion() -> None:
    body, told = "It is so. " * 3000, "The mill is old.\n" * 3000
    candidate = Candidate("b", 0, "essay", body, body, Source("s", told))
    [grade] = await ConsistencyGrader(ConsistencyConfig(model=None)).grade([candidate])
    assert grade.score is None and "split the text or the source" in (grade.ungraded or "")


async def test_numbers_of_thousands_of_digits_do_not_break_a_grader() -> None:
    huge = "999999^64*999999^64 = 5 and 1/" + "17" * 2500 + " of it."
    candidate = Candidate(
        "b", 0, "essay", huge, huge, Source("s", "It is 5."), question="How many are 5?", answer="5"
    )
    for grader in (AnswersGrader(), ConsistencyGrader()):
        [grade] = await grader.grade([candidate])
        assert grade.ungraded or (grade.score is not None and grade.score < 1)
    assert [quantity.value for quantity in find_quantities("1/" + "17" * 2500)][:1] == [1]
