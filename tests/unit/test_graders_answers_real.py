"""On a slice of GSM8K, and of models' solutions to it (MIT), the checks raise no false alarm."""

import json
from pathlib import Path
from typing import Any

import pytest

from graders.answers import NO_SOLVER, AnswersGrader
from graders.problem_validity import find_flaws
from graders.types import Candidate
from graders.working import check_steps

DATA = Path(__file__).parents[1] / "data" / "answers"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def solution(row: dict[str, Any], gold: str | None) -> Candidate:
    text = row["response"]
    return Candidate("b", 0, "", text, text, question=row["question"], gold=gold)


async def test_with_gold_the_grader_says_what_the_label_says() -> None:
    solved = rows("gsm8k_solutions")
    grades = await AnswersGrader().grade([solution(row, row["gold"]) for row in solved])
    assert [grade.score == 1.0 for grade in grades] == [row["correct"] for row in solved]


async def test_without_gold_no_right_solution_is_refused() -> None:
    right = [row for row in rows("gsm8k_solutions") if row["correct"]]
    grades = await AnswersGrader().grade([solution(row, None) for row in right])
    assert {grade.ungraded for grade in grades} == {NO_SOLVER}
    assert all(evidence.supports for grade in grades for evidence in grade.evidence)


@pytest.mark.parametrize("row", rows("gsm8k_train"), ids=lambda row: str(row["id"]))
def test_a_real_problem_and_its_reference_solution_are_sound(row: dict[str, Any]) -> None:
    assert find_flaws(row["question"]) == []
    assert list(check_steps(row["answer"])) == []
