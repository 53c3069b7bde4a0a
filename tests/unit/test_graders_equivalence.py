"""Properties of comparing answers: the way of writing does not matter, the value does."""

from fractions import Fraction

from hypothesis import given
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


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_reading_of_answers(one: str, other: str) -> None:
    find_equations(one + other)
    answer_in(f"{one} answer: {other}")
    value_of(one)


@given(WHOLE, WHOLE)
def test_a_sum_holds_exactly_when_its_result_is_right(a: int, b: int) -> None:
    (right,) = find_equations(f"so {a} pens + {b} pens = {a + b} pens in all")
    (wrong,) = find_equations(f"so {a} pens + {b} pens = {a + b + 1} pens in all")
    assert right.holds and not wrong.holds
