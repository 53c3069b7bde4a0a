"""The composed word problems: right by the oracle, split by combination, varied."""

import random
from fractions import Fraction
from functools import cache
from itertools import pairwise

import pytest

from workers.tiny.corpus.problem_solutions import EQUATION
from workers.tiny.corpus.problems import (
    Problem,
    Split,
    answer_value,
    combos,
    compose_problem,
    corrupt_solution,
    drill,
    render_problem_dialogue,
    render_solution,
    render_topic,
    true_answer,
)
from workers.tiny.corpus.themes import names, themes


@cache
def _problem(split: Split, seed: int) -> Problem:
    return compose_problem(random.Random(seed), split)


def _problems(split: Split, count: int) -> list[Problem]:
    return [_problem(split, seed) for seed in range(count)]


def _holds(equation: str) -> bool:
    left, right = equation.replace("$", "").split(" = ")
    if " of " in left:
        part, whole = left.split(" of ")
        share = Fraction(int(part[:-1]), 100) if part.endswith("%") else Fraction(part)
        return share * int(whole) == int(right)
    a, sign, b = left.split()
    x, y = Fraction(a), Fraction(b)
    value = x + y if sign == "+" else x - y if sign == "-" else x * y if sign == "*" else x / y
    return value == int(right)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_the_oracle_agrees_with_the_answer_and_every_equation_holds(split: Split) -> None:
    for problem in _problems(split, 1000):
        assert true_answer(problem.text) == answer_value(problem.answer) is not None, problem
        assert 1 <= len(problem.steps) <= 4
        assert problem.text.endswith("?")
        for step in problem.steps:
            (found,) = EQUATION.finditer(step)
            assert _holds(found[0]), problem
        assert problem.answer.lstrip("$").split()[0] == found[7]


def test_a_corrupted_solution_ends_in_another_answer() -> None:
    for seed, problem in enumerate(_problems("train", 500)):
        lines = corrupt_solution(problem, random.Random(seed)).split("\n")
        wrong = answer_value(lines[-1].removeprefix("Answer: "))
        assert wrong is not None
        assert wrong != answer_value(problem.answer)


def test_a_dialogue_states_the_problem_first_and_the_answer_last() -> None:
    for seed, problem in enumerate(_problems("train", 500)):
        turns = render_problem_dialogue(problem, random.Random(seed)).split("\n")
        assert 4 <= len(turns) <= 8
        assert turns[0] == f"Student: {problem.text}"
        assert problem.answer in turns[-1]
        assert all(t.startswith("Tutor: " if i % 2 else "Student: ") for i, t in enumerate(turns))


def test_the_splits_share_no_combination() -> None:
    train, held_out = set(combos("train")), set(combos("held_out"))
    assert not train & held_out
    assert 0.1 < len(held_out) / len(train | held_out) < 0.3


def test_there_are_themes_and_names_enough_and_no_theme_shares_its_keys() -> None:
    keys = [key for theme in themes().values() for key in set(theme.keys)]
    assert len(themes()) >= 25
    assert len(set(names())) >= 60
    assert len(set(keys)) == len(keys)


def test_texts_are_distinct() -> None:
    texts = {problem.text for problem in _problems("train", 1000)}
    assert len(texts) > 0.95 * 1000


def test_asked_for_steps_and_theme_are_kept() -> None:
    for n_steps in (1, 2, 3, 4):
        problem = compose_problem(random.Random(1), "train", theme="farm", n_steps=n_steps)
        assert render_topic(problem).startswith(f"Topic: farm\nSteps: {n_steps}\nSkills: ")
        assert render_solution(problem).count("Step ") == n_steps


def test_drilled_equations_hold() -> None:
    for seed in range(300):
        equations = drill(random.Random(seed)).split("; ")
        assert 6 <= len(equations) <= 10
        assert all(map(_holds, equations))


GOOD = "Mia has 24 cookies at the bakery. Mia bakes 18 more cookies. "


def test_a_sound_combination_is_answered() -> None:
    assert true_answer(GOOD + "How many cookies does Mia have now?") == 42


@pytest.mark.parametrize(
    "text",
    [
        "Mia bakes 18 more cookies. How many cookies does Mia have now?",
        GOOD + "How many cookies does Ben have now?",
        GOOD + "How many muffins does Mia have now?",
        GOOD + "How many cookies does each customer get?",
        GOOD + "One cookie costs $5. How many cookies does Mia have now?",
        GOOD + "Mia collects 5 more eggs. How many cookies does Mia have now?",
        GOOD + "Mia sells 90 cookies. How many cookies does Mia have now?",
        GOOD + "Mia shares all of Mia's cookies equally among 5 customers. "
        "How many cookies does each customer get?",
        GOOD + "Mia sells cookies. How many cookies does Mia have now?",
        GOOD + "Mia sells 7 cookie. How many cookies does Mia have now?",
        GOOD + "Mix sells 7 cookies. How many cookies does Mia have now?",
        GOOD,
        "",
    ],
)
def test_a_text_that_makes_no_sense_has_no_answer(text: str) -> None:
    assert true_answer(text) is None


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_problem_without_its_first_sentence_is_no_problem(split: Split) -> None:
    for problem in _problems(split, 150):
        rest = problem.text.split(". ", 1)[1]
        assert true_answer(rest) != answer_value(problem.answer), problem


def test_a_sentence_of_another_problem_does_not_fit() -> None:
    problems = _problems("train", 150)
    for one, other in pairwise(problems):
        if one.theme != other.theme:
            foreign = other.text.split(". ", 1)[0]
            assert true_answer(f"{foreign}. {one.text}") is None


@pytest.mark.parametrize("answer", ["", "many", "cookies 4", "4.5 cookies", "-3"])
def test_an_answer_without_one_whole_number_has_no_value(answer: str) -> None:
    assert answer_value(answer) is None
