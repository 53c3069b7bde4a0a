"""Numbers in prose: their signs, their scales, and fractions in words."""

from fractions import Fraction

import pytest

from graders.claims import split_sentences
from graders.grounding import check_claim, index_source
from graders.quantities import find_quantities


@pytest.mark.parametrize(
    ("text", "quoted", "value"),
    [
        ("It melts at -38.8 °C.", "-38.8", "-38.8"),
        ("It melts at −38.8 °C.", "−38.8", "-38.8"),
        ("Melting point: –38.8 °C", "–38.8", "-38.8"),
        ("Melting point:-38.8 °C", "-38.8", "-38.8"),
        ("-5 is cold", "-5", "-5"),
        ("a loss (-$5)", "-$5", "-5"),
        ("It melts at minus 38.8 degrees Celsius.", "minus 38.8", "-38.8"),
        ("Minus 40 is the same on both scales.", "Minus 40", "-40"),
        ("It fell to minus forty degrees.", "minus forty", "-40"),
        ("It melts 38.8 degrees below zero.", "38.8 degrees below zero", "-38.8"),
        ("It melts at 38.8 °C below zero.", "38.8 °C below zero", "-38.8"),
        ("It is forty degrees Celsius below zero.", "forty degrees Celsius below zero", "-40"),
        ("It is 5° below 0 today.", "5° below 0", "-5"),
    ],
)
def test_a_minus_is_read_however_it_is_written(text: str, quoted: str, value: str) -> None:
    [quantity] = find_quantities(text)
    assert (quantity.text, quantity.value) == (quoted, Fraction(value))
    assert text[quantity.start : quantity.end] == quoted
    if quantity.dimension:
        assert quantity.base == quantity.value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("The war of 1914-1918 and that of 1939–45", [1914, 1918, 1939, 45]),
        ("(1770 -1827)", [1770, 1827]),
        ("on 2020-01-05", [2020, 1, 5]),
        ("an F-16 and a sub-20 run", [16, 20]),
        ("24 - 18 = 6", [24, 18, 6]),
        ("24-18 = 6", [24, 18, 6]),
        ("24 −18 = 6", [24, 18, 6]),
        ("(24) -18 and 50% -18", [24, 50, 18, 18]),
        ("24 minus 18 is 6", [24, 18, 6]),
        ("24 pears minus 18 pears", [24, 18]),
        ("the price minus 18 dollars", [18]),
        ("- 5 pears\n- 6 plums", [5, 6]),
        ("5 m below ground, 3 degrees above zero", [5, 3, 0]),
        ("from -5 to -10 and -3–-2", [-5, -10, -3, -2]),
    ],
)
def test_what_joins_two_numbers_or_a_word_and_a_number_is_no_minus(
    text: str, values: list[int]
) -> None:
    assert sorted(q.value for q in find_quantities(text)) == sorted(values)


def test_a_line_of_a_source_keeps_its_sign() -> None:
    index = index_source("Name: mercury\nMelting point: -38.8 °C")
    assert [quantity.value for quantity, _ in index.quantities] == [Fraction("-38.8")]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a population of 2.5 million", ["2500000"]),
        ("a population of 2.5 Million people", ["2500000"]),
        ("3 million, not one million", ["3000000", "1000000"]),
        ("2 million and five", ["2000000", "5"]),
        ("one third of it", ["1/3"]),
        ("two-thirds of a mile", ["2/3"]),
        ("three quarters of the town", ["3/4"]),
        ("in three quarters", ["3"]),
        ("one half and one fifth", ["1/2", "1/5"]),
        ("minus one third", ["-1/3"]),
        ("one second", ["1"]),
        ("five tenths", ["1/2"]),
        ("the twenty-first of the five seconds", ["21", "5"]),
    ],
)
def test_a_number_is_read_once_and_whole(text: str, values: list[str]) -> None:
    found = find_quantities(text)
    assert [q.value for q in found] == [Fraction(value) for value in values]
    assert all(text[q.start : q.end] == q.text for q in found)


def test_a_scaled_number_is_found_in_its_source_and_another_is_not() -> None:
    source = index_source("Name: Kyiv\nPopulation: 2,500,000")
    words = frozenset({"kyiv", "population"})
    for text, sound in (("2.5 million", True), ("3.5 million", False), ("one million", False)):
        [claim] = split_sentences(f"Kyiv has a population of {text}.")
        assert (not list(check_claim(claim, source, words))) is sound


@pytest.mark.parametrize(
    ("one", "other"), [("5 hrs", "300 mins"), ("1 min", "60 secs"), ("1 lb", "16 ounces")]
)
def test_short_units_are_units(one: str, other: str) -> None:
    [[mine], [theirs]] = [find_quantities(text) for text in (one, other)]
    assert (mine.dimension, mine.base) == (theirs.dimension, theirs.base)
