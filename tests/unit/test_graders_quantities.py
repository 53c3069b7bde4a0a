"""Numbers in prose: their signs."""

from fractions import Fraction

import pytest

from graders.grounding import index_source
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
