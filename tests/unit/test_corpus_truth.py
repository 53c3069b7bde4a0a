"""The oracles of benchmarks/truth.py: odd wordings of one meaning are read, broken ones are not."""

import random
from fractions import Fraction

import pytest

from workers.recipes import problem_set
from workers.tiny.corpus.problem_oracle import true_answer
from workers.tiny.corpus.problems import Problem, render_problem_dialogue
from workers.tiny.corpus.truth import Truth, judge, known_sources


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (
            "The price of one brick costs $13. Then Yusuf buys 5 bricks. "
            "Yusuf adds $14 to the bill for gift wrapping. What is the whole bill for Yusuf?",
            79,
        ),
        (
            "One muffin costs $22 at the building site. "
            "The price of one brick costs 3 times as high as that of one muffin. "
            "Then Alex buys 3 bricks. How much does Alex pay in total?",
            198,
        ),
        (
            "At first, Tara has 9 baskets, and each basket holds 12 pears. In the end, 4 helpers "
            "share all of Tara's pears equally. How many pears does one helper receive?",
            27,
        ),
    ],
)
def test_a_blend_of_two_phrasings_is_read(problem: str, answer: int) -> None:
    assert true_answer(problem) == Fraction(answer)


@pytest.mark.parametrize(
    "problem",
    [
        "The price of one palin is $22. Then Julia buys 3 bricks. How much money does Julia spend?",
        "At first, Ivan has 3 full pallets, each with 15 pallets. How many pallets does Ivan have?",
        "Ann has 3 trays with 4 rolls in each. Ann packs all of Ann's rolls into pots of 2. "
        "How many trays does Ann need?",
        "To pay for a 15 building site, Nadia needs $200. Nadia starts with $32 in the bank. "
        "Each week, Nadia puts $2 aside. After how many weeks does Nadia have enough money?",
    ],
)
def test_what_means_nothing_is_not_read(problem: str) -> None:
    assert true_answer(problem) is None


def test_a_wrong_sum_on_the_way_to_a_right_answer_counts_as_wrong() -> None:
    known = next(k for k in known_sources("dialogue", 9, 9) if isinstance(k.known, Problem))
    assert isinstance(known.known, Problem)
    text = render_problem_dialogue(known.known, random.Random(1))
    assert not judge("dialogue", known, text).wrong
    head, equals, tail = text.partition(" = ")
    assert equals
    digit = next(place for place, mark in enumerate(tail) if mark.isdigit())
    wrong = tail[:digit] + str((int(tail[digit]) + 1) % 10) + tail[digit + 1 :]
    assert judge("dialogue", known, head + equals + wrong).misstated


PROBLEM = "At first, Noah has 21 suitcases. Later, Noah gives away 6 suitcases on the platform. "
ASKED = "What is the number of suitcases that Noah has now?"
SOLUTION = "Step 1: First, take one amount away: Noah gets to 21 - 6 = 15 suitcases.\n"


def judged(problem: str, solution: str) -> Truth:
    known = known_sources("problem_set", 1, 0)[0]
    return judge("problem_set", known, problem_set.render(problem, solution))


def test_a_worked_problem_is_right_when_all_its_sums_and_its_answer_are() -> None:
    assert judged(PROBLEM + ASKED, f"{SOLUTION}Answer: 15 suitcases") == Truth(False, False)


def test_a_wrong_step_makes_a_problem_false_whatever_its_answer() -> None:
    wrong = SOLUTION.replace("= 15", "= 16")
    for problem in (PROBLEM + ASKED, "Nothing that the grammar reads."):
        found = judged(problem, f"{wrong}Answer: 15 suitcases")
        assert found.wrong and found.misstated
        assert found.reason == "21 - 6 = 16 (does not hold)"


def test_a_problem_beyond_the_grammar_is_undecided() -> None:
    found = judged(f"Noah likes suitcases. {ASKED}", f"{SOLUTION}Answer: 15 suitcases")
    assert found.wrong and not found.misstated


@pytest.mark.parametrize(
    "sums", ["3 / 2 = 1.5", "8 + 2 + 3 = 13", "1/4 of 20 = 5", "$2.50 * 2 = $5"]
)
def test_sums_that_hold_are_not_called_false(sums: str) -> None:
    found = judged(PROBLEM + ASKED, f"{SOLUTION}Then {sums}.\nAnswer: 15 suitcases")
    assert not found.wrong, found.reason
