"""Claims are split where sentences end, with offsets that never lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.claims import split_claims, split_sentences


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("Helium is light. It is a gas.", ["Helium is light.", "It is a gas."]),
        ("Dr. Smith lived in the U.S. for years.", ["Dr. Smith lived in the U.S. for years."]),
        ("He moved to the U.S. He died there.", ["He moved to the U.S.", "He died there."]),
        ("J. S. Bach wrote it in St. Thomas.", ["J. S. Bach wrote it in St. Thomas."]),
        ("Its symbol is H. It is light.", ["Its symbol is H.", "It is light."]),
        ("It melts at 3.5 degrees. It boils.", ["It melts at 3.5 degrees.", "It boils."]),
        ("Some gases, e.g. Helium, are inert.", ["Some gases, e.g. Helium, are inert."]),
        ('She said "It is so." They left.', ['She said "It is so."', "They left."]),
        ("- Iron is a metal.\n- Gold is too.", ["Iron is a metal.", "Gold is too."]),
        ("1. Iron is a metal.\n2) Gold is too.", ["Iron is a metal.", "Gold is too."]),
        ("Tutor: Iron has the symbol Fe.", ["Iron has the symbol Fe."]),
        ("Thesis: Iron is old.\nEssay: It rusts.", ["Iron is old.", "It rusts."]),
        ("Ada: Iron rusts.\nBob: It does rust.\nAda: Water helps.",
         ["Iron rusts.", "It does rust.", "Water helps."]),
        ("Student: What is iron?\nTutor: Good question. Iron is a metal.", ["Iron is a metal."]),
        ("Thank you, that was very helpful.", []),
        ("Yes, that is right.", []),
        ("Hello, I would like to learn about iron.", []),
        ("It wraps over\nthe line. It ends", ["It wraps over\nthe line.", "It ends"]),
        ("Opus No. 5 is short. No. That is all wrong here.",
         ["Opus No. 5 is short.", "That is all wrong here."]),
        ("", []),
        ("...", []),
    ],
)  # fmt: skip
def test_statements_are_found_and_nothing_else(text: str, claims: list[str]) -> None:
    assert [claim.text for claim in split_claims(text)] == claims


@given(st.text(alphabet="aB1 .?!\n\"'’:-DrTutor", max_size=120), st.integers(0, 5))
def test_offsets_give_back_the_claim_and_never_overlap(text: str, start: int) -> None:
    at = 0
    for claim in split_sentences(text, min(start, len(text))):
        assert text[claim.start : claim.end] == claim.text
        assert claim.start >= max(at, min(start, len(text)))
        at = claim.end


def test_a_question_for_agreement_states_what_it_asks_about() -> None:
    [claim] = split_claims("Student: So it is a river in Europe, right?")
    assert claim.text == "it is a river in Europe"
