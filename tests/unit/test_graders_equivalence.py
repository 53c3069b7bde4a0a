"""Comparing answers and recomputing steps: the way of writing does not matter, the value does."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.arithmetic import find_equations
from graders.equivalence import same_answer, value_of
from graders.final_answer import answer_in

WHOLE = st.integers(min_value=0, max_value=10**9)


@given(WHOLE)
def test_a_whole_number_is_the_same_however_it_is_written(number: int) -> None:
    for written in (
        f"${number:,}.00", f"\\boxed{{{number}}}", f"{number} apples", f"A: {number}",
        f"#### {number:,}", f"The answer is {number:,} dollars.", f"x = {number}",
    ):  # fmt: skip
        assert same_answer(str(number), written), written
        assert not same_answer(str(number + 1), written), written


@given(st.fractions(min_value=0, max_value=1000, max_denominator=400))
def test_a_fraction_equals_its_latex(value: Fraction) -> None:
    over, under = value.numerator, value.denominator
    assert same_answer(f"{over}/{under}", f"\\frac{{{over}}}{{{under}}}")
    assert not same_answer(f"{over}/{under}", f"{over + 1}/{under}")


@given(st.integers(min_value=0, max_value=10_000))
def test_a_percentage_equals_its_number_and_its_share(percent: int) -> None:
    assert same_answer(f"{percent}%", f"{percent}/100")
    assert same_answer(f"{percent}", f"{percent} percent")


@pytest.mark.parametrize(
    ("gold", "given"),
    [
        ("25", "25 cents"), ("0.25", "25 cents"), ("$0.25", "25 cents"), ("£5", "5 pounds"),
        ("5000000", "5 million"), ("2500000", "2.5 million dollars"), ("500000", "half a million"),
        ("60", "5 dozen"), ("60", "5 dozen eggs"), ("5", "5 dozen"), ("2", "2 dozens of eggs"),
        ("24", "two dozen"), ("12", "a dozen"), ("6", "half a dozen"),
        ("100", "1e2"), ("0.015", "1.5e-2"),
        ("5.5", "5 and a half"), ("5.5", "five and a half hours"), ("5.5", "5 hours and a half"),
        ("5.5", "5½"), ("2/3", "two thirds"), ("2/3", "2 thirds"), ("3", "3 quarters"),
        ("50%", "0.5"), ("50%", "50"), ("0.5", "50%"), ("50", "50 percent"),
        ("3%", "three percent"), ("5000000", "$5M"), ("5000", "5k"),
        ("0.05", "It rose by 5 percent"), ("10", "20% of 50"),
        ("5 km", "5000 m"), ("1 hour", "60 minutes"), ("5 km", "5"), ("5", "5 miles"),
        ("1/2", "3/4 - 1/4 = 2/4 = 1/2"), ("5", "x = 5"), ("7", "it's not five but 7"),
        ("5", "about 5"), ("5", "exactly 5 pens"), ("5", "5 pens, not counting the broken one"),
        ("5", "5 apples are not rotten"), ("5", "5kg"), ("10", "10th"), ("5", "5 hrs"),
        ("20", "$20 in her bank after 5 days"), ("3", "3 tune-ups in a 30-day month"),
        ("18", "18 dollars each from two stands"),
        ("9", "9 tiles to cover two-thirds of his 36 sq ft"),
        ("5", "Each of the two boys gets 5 apples"), ("x + 1 = 0", "1 + x = 0"),
        ("5 x 3 + 2 = 17", "17"), ("3 x 5 + 2 = 17", "5 x 3 + 2 = 17"),
        ("5 cm", "\\boxed{5 \\text{ cm}}"), ("5 cm", "5\\,\\text{cm}"), ("1 hr", "60 mins"),
        ("5", "5 pm"), ("5 pm", "5 p.m."), ("500 BC", "500 BCE"), ("5", "a loss of $5"),
        ("60 mph", "60 miles per hour"), ("60 km/h", "1 km per minute"), ("60", "60 km/h"),
        ("$5 per hour", "5 dollars an hour"), ("$20", "$20 for a pound"),
        ("$18", "$18 for 3 hours at $6 per hour"), ("16 oz", "1 lb"), ("5%", "5% per year"),
        ("$18", "$18 per hour"), ("20 minutes", "20 minutes a day"),
        ("4 km", "4 km every day"), ("$3.50", "$3.50 per pound"),
        ("-7", "\u22127"), ("60", "f\u0131ve dozen"), ("1000000", "1 m\u0131ll\u0131on"),
    ],
)  # fmt: skip
def test_the_same_value_is_found_in_other_words(gold: str, given: str) -> None:
    assert same_answer(gold, given)
    assert same_answer(given, gold)


@pytest.mark.parametrize(
    ("gold", "given"),
    [
        ("50%", "0.005"), ("0.5", "5000%"), ("25%", "2500"), ("0.25%", "25"), ("1000", "20% of 50"),
        ("5", "it is not 5"), ("5", "It isn't 5"), ("5", "it is never 5"), ("5", "5 is wrong"),
        ("5", "anything but 5"), ("5", "5 is not the answer"),
        ("5", "less than 5"), ("5", "at least 5 pens"), ("5", "no more than 5"), ("5", "up to 5"),
        ("5", "5 or more"), ("5", "5 at most"), ("5", "5+"), ("5", "> 5"), ("5", "<5"),
        ("5", r"x \leq 5"), ("5", "x != 5"), ("5", "5 ± 1"),
        ("x=5, y=6", "x=7, y=6"), ("x=5, y=6", "6"), ("6", "x=5, y=6"), ("5", "5 = 6"),
        ("5", "5 hours 30 minutes"), ("30", "5 hours 30 minutes"), ("5", "5 feet 3 inches"),
        ("5", "5 hours thirty minutes"), ("5", "5 or six"), ("5", "5 or 6"), ("6", "five and 6"),
        ("5", "5 and a half"), ("5", "five and a half"), ("5", "5½"), ("2", "two thirds"),
        ("5", "5!"), ("120", "5!"), ("5", "3x"), ("3", "3x"), ("5", "5^2"), ("5", "$5M"),
        ("0.04", "4 dollars per 25 cents"),
        ("5", "5 million"), ("5", "5 thousand"), ("1000000", "half a million"),
        ("5 dozen", "60 dozen"), ("1", "1e2"), ("2", "1e2"),
        ("5 km", "5 miles"), ("5 hours", "5 minutes"), ("$5", "5 cents"), ("5 km", "5 hours"),
        ("5%", "$5"), ("5 square feet", "5 feet"),
        ("5 m", "\\boxed{5 \\text{ cm}}"), ("5 m", "5\\,\\text{cm}"), ("5 minutes", "5 hrs"),
        ("12 March 2020", "12 April 2020"), ("12 March 2020", "12 March 2021"),
        ("5 pm", "5 am"), ("5 p.m.", "5 a.m."), ("12 noon", "12 midnight"), ("500 BC", "500 AD"),
        ("profit of $5", "a loss of $5"), ("3 km north", "3 km south"),
        ("5 km", "5 km/h"), ("5 km/h", "5 km/s"), ("5 mph", "5 km/h"),
        ("5 pages per hour", "5 pages a day"), ("5 oz", "5 pounds"), ("7", "\u22127"),
        ("x^8 + x + 1 = 0", "x^8 + x + 2 = 0"), ("x + 1 = 0", "x + 2 = 0"),
    ],
)  # fmt: skip
def test_another_value_is_never_taken_for_the_same(gold: str, given: str) -> None:
    assert not same_answer(gold, given)
    assert not same_answer(given, gold)


@given(WHOLE, st.sampled_from(["not {}", "fewer than {} pens", "at least {}", "{} or more", "{}!"]))
def test_a_number_that_is_denied_or_a_bound_is_no_answer(number: int, phrase: str) -> None:
    assert value_of(phrase.format(number)) is None
    assert not same_answer(str(number), phrase.format(number))


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_reading_of_answers(one: str, other: str) -> None:
    find_equations(one + other)
    answer_in(f"{one} answer: {other}")
    if (value := value_of(one)) is not None:
        assert same_answer(str(value), one) and not same_answer(str(100 * value + 7), one)
    assert same_answer(one, other) in (True, False)


@given(WHOLE, WHOLE)
def test_a_sum_holds_exactly_when_its_result_is_right(a: int, b: int) -> None:
    (right,) = find_equations(f"so {a} pens + {b} pens = {a + b} pens in all")
    (wrong,) = find_equations(f"so {a} pens + {b} pens = {a + b + 1} pens in all")
    assert right.holds and not wrong.holds


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("2 hours + 30 minutes = 150 minutes", False),
        ("2 hours + 30 minutes = 32 minutes", False),
        ("5 feet + 6 inches = 66 inches", False),
        ("5 kg + 500 g = 5.5 kg", False),
        ("1 hour - 15 minutes = 45 minutes", False),
        ("1 year + 3 months = 15 months", False),
        ("30 minutes + 90 minutes = 2 hours", False),
        ("6 feet / 2 inches = 36", False),
        ("$5 + 25 cents = $5.25", False),
        ("11 am + 3 hours = 2 pm", False),
        ("7:30 + 45 minutes = 8:15", False),
        ("1/3 = 33%", False),
        ("5/6 = 83%", False),
        ("1/3 = 35%", True),
        ("2/3 = 66%", True),
        ("20 minutes + 30 minutes = 60 minutes", True),
        ("(180 minutes + 300 minutes) / 60 = 4.5 hours", True),
        ("3 hours * 60 minutes = 170 minutes", True),
        ("60 miles / 2 hours = 31 miles", True),
        ("5 * 25 cents = $1", True),
        ("From 7:30 to 8:15, so 3 + 4 = 8", True),
    ],
)
def test_a_step_in_two_units_of_a_kind_is_left_to_others(step: str, fault: bool) -> None:
    assert any(not equation.holds for equation in find_equations(step)) is fault


def test_a_sum_of_two_units_is_not_called_right() -> None:
    [equation] = find_equations("2 hours + 30 minutes = 32 minutes")
    assert not equation.checked
