"""The names of a text that its source nowhere has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.entailment.foreign import count_foreign_names
from graders.entailment.premise import find_terms, term_of

SOURCE = "On Saturday the Danube reached Vienna, 2,850 km from its mouth. Two bridges closed."


def count(text: str, source: str = SOURCE) -> int:
    return count_foreign_names(text, find_terms(source).keys())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("It closed bridges in Vienna on Saturdays, 2850 km away.", 0),
        ("Budapest saw it. There the Rhine met the Rhine, in Linz.", 2),
        ("It stands in Vien, and in Dan.", 2),
        ("The Two, or I, and The Danube", 0),
        ("", 0),
    ],
)
def test_each_foreign_name_within_a_sentence_is_counted_once(text: str, names: int) -> None:
    assert count(text) == names


@given(st.text(max_size=300))
def test_nothing_is_foreign_to_itself(text: str) -> None:
    assert count(text, text) == 0


@pytest.mark.parametrize(
    "forms",
    [
        "Saturday Saturdays",
        "story stories",
        "two 2",
        "2,850 2850",
        "play plays played",
        "city cities",
    ],
)
def test_forms_of_a_word_are_one_term(forms: str) -> None:
    assert len({term_of(form) for form in forms.split()}) == 1


def test_common_words_are_no_terms() -> None:
    assert term_of("the") == ""
