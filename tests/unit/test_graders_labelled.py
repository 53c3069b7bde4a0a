"""Labelled rows: the shapes of a label, contradictions, and sources under several names."""

from typing import Any

import pytest

from graders.calibration.labelled import read_labelled, right_of
from graders.errors import CalibrationError

PASSAGE = (
    "The lighthouse at Cape Moran was built in 1871 by the brothers Anton and Pieter Voss. It is "
    "thirty metres high, painted white and red, and was lit by whale oil until the year 1904. Its "
    "keeper lived in a stone house beside it with a garden, a well and a boat shed by the water."
)


def read(*rows: Any, **options: Any) -> tuple[list[Any], list[str]]:
    return read_labelled(((f"line {n}", row) for n, row in enumerate(rows, 1)), **options)


@pytest.mark.parametrize(
    ("fields", "right"),
    [
        ({"label": "consistent"}, True),
        ({"label": "Inconsistent "}, False),
        ({"label": "correct"}, True),
        ({"label": "wrong"}, False),
        ({"label": True}, True),
        ({"correct": False}, False),
        ({"wrong": True}, False),
        ({"wrong": False}, True),
        ({"label": "maybe"}, None),
        ({"label": None}, None),
        ({"correct": 1}, None),
        ({}, None),
    ],
)
def test_a_label_has_one_of_several_shapes(fields: dict[str, Any], right: bool | None) -> None:
    assert right_of(fields) is right


def test_rows_become_fit_for_the_graders_and_gold_is_left_out() -> None:
    row = {"id": 7, "question": "1+1?", "response": "2", "gold": "2", "correct": True, "model": "m"}
    [read_row], notices = read(row, recipe="problem_set")
    assert read_row.row == {"id": "7", "text": "2", "question": "1+1?", "recipe": "problem_set"}
    assert read_row.right and read_row.generator == "m"
    assert "gold answers are left out" in notices[0]


def test_one_source_under_several_names_is_one_and_said_so() -> None:
    nearly = PASSAGE.replace("whale oil", "WHALE   oil") + " "
    edited = PASSAGE.replace("thirty metres", "forty metres")
    rows = [
        {"id": n, "source_id": f"s{n}", "source": source, "text": f"claim {n}", "label": True}
        for n, source in enumerate([PASSAGE, nearly, edited, "Another source altogether."])
    ]
    labelled, notices = read(*rows)
    assert len({row.source for row in labelled[:3]}) == 1
    assert labelled[3].source != labelled[0].source
    assert "4 ids, 2 sources" in notices[0]


def test_ids_tell_sources_apart_where_their_texts_are_missing() -> None:
    rows = [
        {"id": n, "source_id": n % 2, "text": f"claim {n}", "label": "correct"} for n in range(4)
    ]
    assert len({row.source for row in read(*rows)[0]}) == 2


def test_a_row_twice_counts_once() -> None:
    row = {"id": 1, "text": "a b c", "source": "s", "label": True}
    labelled, notices = read(row, row)
    assert len(labelled) == 1 and "1 rows repeat" in notices[0]


def test_the_same_text_about_another_version_of_a_source_is_no_contradiction() -> None:
    other = PASSAGE.replace("1871", "1917")
    labelled, _ = read(
        {"text": "It was built in 1871.", "source": PASSAGE, "label": True},
        {"text": "It was built in 1871.", "source": other, "label": False},
    )
    assert len(labelled) == 2 and labelled[0].source == labelled[1].source


TORN = (
    {"id": 1, "text": "Built in 1871.", "source": PASSAGE, "label": True},
    {"id": 2, "text": "built in 1871", "source": PASSAGE, "label": False},
    {"id": 3, "text": "Painted white.", "source": PASSAGE, "label": True},
)


def test_the_writer_is_named_of_all_texts_or_of_none() -> None:
    rows = [{"id": str(n), "text": f"Text {n}.", "label": True} for n in range(3)]
    with pytest.raises(CalibrationError, match=r"2 of 3 rows, line 1 first, have no 'model'"):
        read(*rows[:2], {**rows[2], "model": "m"})
    named, _ = read(*({**row, "model": "m"} for row in rows))
    assert {row.generator for row in named} == {"m"}


def test_contradictory_labels_are_refused_or_count_as_wrong_when_told_so() -> None:
    with pytest.raises(CalibrationError, match=r"1 texts.*line 1 and line 2.*--drop-contradict"):
        read(*TORN)
    labelled, notices = read(*TORN, drop_contradictions=True)
    assert [(row.id, row.right) for row in labelled] == [
        ("1", False), ("2", False), ("3", True)
    ]  # fmt: skip
    assert notices == ["1 texts with contradictory labels count as wrong"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "no rows"),
        (([1],), "line 1: not an object"),
        (({"text": "a"},), "line 1: has no label; write"),
        (({"label": True},), "line 1: has neither a 'text'"),
        (({"label": True, "grades": [{"score": 1}]},), "line 1: 'grades' are not"),
        (
            ({"id": 1, "text": "a", "label": True}, {"id": 1, "text": "a", "label": False}),
            "line 2: the id '1' is also that of line 1, with another of the labels",
        ),
        (
            ({"id": 1, "text": "a", "label": True}, {"id": 1, "text": "b", "label": True}),
            "another of the texts",
        ),
    ],
)
def test_rows_that_cannot_be_used_are_named(rows: tuple[Any, ...], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        read(*rows)
