"""A text is stopped only when every continuation of it would be refused, and for that reason."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.streaming import ClaimWatch, watches
from graders.types import Candidate, Grade, Source
from workers.recipes import SHIPPED

SHEET = Source(
    "iron",
    "Name: iron\nKind: metal\nAtomic number: 26\nSymbol: Fe\nFound in: Sweden\n"
    "First used: 1200 BC\nMelting point: 1538 degrees Celsius",
)
RULES = ConsistencyConfig(judge=False)
VERSION = ConsistencyGrader(RULES).version
GOOD = "Thesis: Iron is a metal.\nEssay: Its symbol is Fe. Its atomic number is 26. "
PIECES = (
    "Iron is a metal.", "Its symbol is Fe.", "Its symbol is Au.", "Its atomic number is 26.",
    "Its atomic number is 79", "It is found in Norway.", "It melts at 1538 degrees Celsius.",
    "12 + 8 = 20.", "12 + 8 = 21.", "There are 20 of them.", "Dr. Ann Lee found it.", "No. 7",
    "Maria: It is found in Peru.", "Maria:", "Student: Is it found in Peru?", "Tutor: Yes.",
    "Hello, Bob!", "It is a metal, right?", "J.", "The", "approx.", "3.", "5", "...", "?", '"', "(",
    "<<3+4=7>>", "<<", ">>", "and", "1.", "- ", "\n", "\n\n", " ", "\t", "é", "Hélène", "is not",
)  # fmt: skip

texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=9).map(" ".join),
)


def whole(text: str) -> int | None:
    start = SHIPPED["dialogue"].body_start
    assert start is not None
    return start(text)


def watch() -> ClaimWatch:
    return ClaimWatch(RULES, SHEET, whole, VERSION)


def shown(follower: ClaimWatch, text: str, ends: Iterable[int]) -> tuple[int, Grade] | None:
    """Where the watch objected first, and its grade."""
    for end in ends:
        grade = follower(text[:end])
        if grade is not None:
            return end, grade
    return None


def graded(text: str) -> Grade:
    """The whole text's grade by the rules."""
    candidate = Candidate("b", 0, "dialogue", text, text.strip(), SHEET)
    [grade] = asyncio.run(ConsistencyGrader(RULES).grade([candidate]))
    return grade


@settings(max_examples=400, deadline=None)
@given(texts)
def test_whatever_follows_a_stopped_text_is_refused(text: str) -> None:
    if shown(watch(), text, range(len(text) + 1)) is not None:
        score = graded(text).score
        assert score is None or score < 0.5  # ungraded, as foreign, it does not pass either


@settings(max_examples=200, deadline=None)
@given(texts, texts)
def test_a_stopped_text_is_refused_under_any_continuation(text: str, more: str) -> None:
    if watch()(text) is not None:
        score = graded(text + more).score
        assert score is None or score < 0.5


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(1, 9))
def test_how_often_a_text_is_shown_only_delays_the_objection(text: str, step: int) -> None:
    every = shown(watch(), text, range(len(text) + 1))
    seldom = shown(watch(), text, [*range(0, len(text), step), len(text)])
    assert (every is None) == (seldom is None)
    if every and seldom:
        assert every[0] <= seldom[0]
        assert every[1].evidence == seldom[1].evidence


def test_a_false_claim_stops_an_essay_two_words_after_its_end() -> None:
    text = GOOD + "It is found in Norway. It melts at 1538 degrees Celsius."
    start = SHIPPED["essay"].body_start
    assert start is not None
    found = shown(ClaimWatch(RULES, SHEET, start, VERSION), text, range(len(text) + 1))
    assert found is not None
    end, grade = found
    assert text[:end].endswith("Norway. It ")
    assert (grade.grader, grade.score) == ("consistency", 0.5 * 3 / 4)
    assert grade.version == graded(text).version
    [evidence] = grade.evidence
    assert evidence.quote == "Norway" == text[evidence.start : evidence.end]
    assert not evidence.supports


def test_true_claims_are_never_objected_to() -> None:
    text = GOOD * 3
    assert shown(watch(), text, range(len(text) + 1)) is None


def test_a_number_computed_later_does_not_support_an_earlier_claim() -> None:
    early = "There are 20 of them. Two more: 12 + 8 = 20. Iron is a metal."
    assert watch()(early) is not None
    assert (graded(early).score or 0.0) < 0.5


def test_a_name_that_may_turn_out_to_be_a_speakers_ends_the_watch() -> None:
    text = "Norway: It is a metal. It is found in Peru. Iron is a metal. "
    assert shown(watch(), text, range(len(text) + 1)) is None


def test_a_text_that_an_engine_starts_anew_is_read_from_its_beginning() -> None:
    follower = watch()
    assert follower("Iron is a metal. Its symbol is Fe. It ") is None
    assert follower("It is found in Norway. It ") is not None


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.49])
def test_a_gate_that_might_pass_a_text_with_an_objection_gets_no_watch(threshold: float) -> None:
    assert not watches(SHEET, threshold)


def test_only_sources_of_labelled_lines_are_watched() -> None:
    prose = Source("p", "Iron is a metal that is found in Sweden. People have used it for long.")
    assert watches(SHEET, 0.5)
    assert not watches(prose, 0.5)
