"""What a text names and counts that its source nowhere has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.entailment.foreign import Foreign, find_foreign
from graders.entailment.premise import find_terms, term_of

SOURCE = "On Saturday the Danube reached Vienna, 2,850 km from its mouth. Two bridges closed."


def foreign(text: str, source: str = SOURCE) -> Foreign:
    return find_foreign(text, source, find_terms(source).keys())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It closed bridges in Vienna on Saturdays, 2850 km away.", Foreign(unwritten=1)),
        ("Budapest saw it. There the Rhine met the Rhine, in Linz.", Foreign(names=2, unwritten=2)),
        ("It stands in Vien, and in Dan.", Foreign(names=2)),
        ("It took 3 days, 17 or 17, of 2,850.", Foreign(numbers=2)),
        ("The Two, or I, and The Danube", Foreign()),
        ("", Foreign()),
    ],
)
def test_each_foreign_word_is_counted_once_and_by_its_kind(text: str, found: Foreign) -> None:
    assert foreign(text) == found


@given(st.text(max_size=300))
def test_nothing_is_foreign_to_itself(text: str) -> None:
    assert foreign(text, text) == Foreign()


def test_forms_of_a_word_are_one_term() -> None:
    for forms in (("Saturday", "saturdays"), ("story", "stories"), ("two", "2"), ("2,850", "2850")):
        assert len({term_of(form) for form in forms}) == 1
    assert term_of("the") == ""
