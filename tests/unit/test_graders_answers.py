"""Worked solutions are recomputed, final answers compared, problems solved again."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from graders.answers import AnswersGrader
from graders.arithmetic import find_equations
from graders.base import Completion
from graders.config import AnswersConfig
from graders.equivalence import answer_in, same_answer
from graders.types import Candidate, Grade
from graders.working import check_working

QUESTION = "Ann has 24 pears and 3 plums. She buys 18 pears. How many pears has she?"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("24 + 18 = 42", [True]),
        ("$5 * 3 = $15", [True]),
        ("25% of 80 = 20", [True]),
        ("1/3 of 60 = 20", [True]),
        ("Half of the 60 apples is 30", [True]),
        ("6 x 7 = 42, 6×7=42, 42 ÷ 6 = 7", [True, True, True]),
        ("48/2 = <<48/2=24>>24 clips", [True]),
        (r"\frac{1}{2} \times 10 = 5", [True]),
        ("3 boxes * 4 cookies = 12 cookies", [True]),
        ("2 * 3 = 6 = 6 + 1", [True, False]),
        ("12 - 5 = 7 - 3 = 4", [False, True]),
        ("6 × 7 = 43", [False]),
        ("10 / 3 = 3.33", [True]),
        ("10 / 3 = 3", [False]),
        ("10 / 4 = 2.6", [False]),
        ("17 / 5 = 3 remainder 2", [True]),
        ("17 / 5 = 3 remainder 1", [False]),
        ("$50 - 20% = $40", [True]),
        ("15/60 * 100 = 25%", [True]),
        ("1,200 + 300 = 1,500", [True]),
        ("(2 + 3) * 4 = 20 and 2 1/2 * 4 = 10", [True, True]),
        ("7 - 12 = -5", [True]),
        ("The war of 1914-1918 is 4 years long", []),
        ("The war of 1914–1918 makes 4 years", []),
        ("1914-1918 = 4", [False]),
        ("1918-1914 is 5", [False]),
        ("1914 - 1918 is 4", [False]),
        ("The war of 1914-1918 is 4 years long; 2 + 2 is 5", [False]),
        ("5 / 0 = 0", [False]),
        ("2x + 3 = 11", []),
        ("y - 5 = 3", []),
        ("9^9^9 = 3 and 9**99999 = 1", []),
        ("__import__('os') = 3", []),
        ("(" * 50 + "1 + 1 = 3", [False]),
    ],
)
def test_every_equation_is_found_and_recomputed(text: str, holds: list[bool]) -> None:
    found = find_equations(text)
    assert [equation.holds for equation in found] == holds
    assert all(text[e.start : e.end] == e.text for e in found)


@pytest.mark.parametrize(
    ("gold", "given", "same"),
    [
        ("1200", "$1,200.00", True),
        ("1200", "\\boxed{1200}", True),
        ("1/2", "0.5", True),
        ("\\frac{1}{2}", "1/2", True),
        ("25%", "0.25", True),
        ("25", "25%", True),
        ("42", "42 apples", True),
        ("42", "The answer is 42.", True),
        ("\\sqrt{8}", "2\\sqrt{2}", True),
        ("42", "43", False),
        ("42", "-42", False),
        ("42", "", False),
        ("0.333", "1/3", False),
        ("2", "9^9^9^9", False),
        ("blue", "Blue", True),
    ],
)
def test_answers_are_equal_however_they_are_written(gold: str, given: str, same: bool) -> None:
    assert same_answer(gold, given) is same


def test_math_verify_serves_outside_the_main_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(same_answer, "\\sqrt{18}", "3\\sqrt{2}").result()


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Step 1: 2 + 2 = 4\nAnswer: 4 pears", "4 pears"),
        ("so #### 17", "17"),
        ("thus \\boxed{3}", "3"),
        ("It is 5, then 6.", "6"),
        ("No idea.", None),
    ],
)
def test_the_final_answer_of_a_reply_is_found(reply: str, answer: str | None) -> None:
    assert answer_in(reply) == answer


def candidate(
    body: str, answer: str | None, question: str | None = QUESTION, gold: str | None = None
) -> Candidate:
    text = f"Problem: {question}\nSolution:\n{body}\nAnswer: {answer}"
    return Candidate(
        "b", 0, "problem_set", text, body, question=question, answer=answer, gold=gold, seed=7
    )


async def grade(made: Candidate) -> Grade:
    return (await AnswersGrader().grade([made]))[0]


@pytest.mark.parametrize(
    ("body", "answer", "reason"),
    [
        ("24 + 18 = 43", "43", "comes to 42, not 43"),
        ("24 + 19 = 43", "43", "19 is not given in the problem and was not computed before"),
        ("24 + 18 = 42", "41", "not the last computed result"),
        ("24 + 18 = 42", "42 plums", "not what the problem asks for"),
        ("She has many.", "42", "computes nothing"),
        ("24 / 0 = 0", "0", "undefined"),
    ],
)
async def test_a_wrong_working_is_quoted_where_it_stands(
    body: str, answer: str, reason: str
) -> None:
    made = candidate(body, answer)
    result = await grade(made)
    assert result.score is not None
    assert result.score < 1
    wrong = next(e for e in result.evidence if reason in e.reason)
    assert wrong.start is not None
    assert made.text[wrong.start : wrong.end] == wrong.quote


@pytest.mark.parametrize("answer", ["42", "42 pears", "42.0", "**42 pears**"])
async def test_a_right_working_passes(answer: str) -> None:
    assert (await grade(candidate("She has 24 + 18 = 42 pears.", answer))).score == 1.0


@pytest.mark.parametrize(
    ("question", "body", "answer"),
    [
        ("A $80 coat is 25% off. What does it cost?", "100 - 25 = 75. 75% of 80 = 60.", "$60"),
        ("Tom reads 9 pages daily. How many in a week?", "9 * 7 = 63", "63 pages"),
        ("Half of 60 cats are black. How many?", "1/2 of 60 = 30", "30 cats"),
        ("Eggs: three dozen. How many eggs are there?", "3 * 12 = 36", "36"),
        ("She ran twice as far as 8 km. How many km?", "8 * 2 = 16 km", "16 km"),
    ],
)
async def test_knowledge_that_the_problem_calls_for_needs_no_number(
    question: str, body: str, answer: str
) -> None:
    result = await grade(candidate(body, answer, question))
    assert result.score == 1.0, result.evidence


@pytest.mark.parametrize(
    ("question", "reason"),
    [("Ann has 24 pears. She buys 18.", "asks no question"),
     ("Of 24, 18, 5, 6, 7, 8 and 9 what is it?", "go unused")],
)  # fmt: skip
async def test_a_senseless_problem_fails(question: str, reason: str) -> None:
    result = await grade(candidate("24 + 18 = 42", "42", question))
    assert any(reason in evidence.reason for evidence in result.evidence)


@pytest.mark.parametrize(("gold", "score"), [("42", 1.0), ("$42.00", 1.0), ("41", 0.0)])
async def test_a_gold_answer_decides(gold: str, score: float) -> None:
    assert (await grade(candidate("24 + 18 = 42", "42", None, gold))).score == score


async def test_with_neither_problem_nor_gold_there_is_no_score() -> None:
    assert (await grade(candidate("24 + 18 = 42", "42", None))).score is None


class Solver:
    """Answers in turn: greedy first; None is a failed completion."""

    def __init__(self, *answers: str | None) -> None:
        self.answers, self.asked = answers, list[tuple[float, int]]()

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        start = 1 if temperature else 0
        self.asked += [(temperature, seed) for seed in seeds]
        chosen = self.answers[start : start + len(prompts)]
        return [
            Completion("", "timed out") if a is None else Completion(f"Answer: {a}") for a in chosen
        ]


@pytest.mark.parametrize(
    ("answers", "score"),
    [
        (("42", "42 pears", "7"), 1.0),
        (("41", "42", "41"), 0.75),
        (("42", None, "42"), 1.0),
        (("42", None, None), None),
    ],
)
async def test_independent_solutions_must_agree(
    answers: tuple[str | None, ...], score: float | None
) -> None:
    solver = Solver(*answers)
    grader = AnswersGrader(AnswersConfig(agree=2, resolution_temperature=0.5), solver)
    result = (await grader.grade([candidate("24 + 18 = 42", "42")]))[0]
    assert result.score is None if score is None else result.score == pytest.approx(score, abs=0.1)
    assert sorted(t for t, _ in solver.asked) == [0.0, 0.5, 0.5]
    assert len({seed for _, seed in solver.asked}) == 3


async def test_no_tokens_are_spent_on_a_working_that_already_failed() -> None:
    solver = Solver("42", "42", "42")
    grader = AnswersGrader(AnswersConfig(), solver)
    await grader.grade([candidate("24 + 18 = 43", "43")])
    assert solver.asked == []


def test_hostile_text_is_read_in_bounded_time() -> None:
    started = time.perf_counter()
    find_equations("1 + " * 2000 + "= 3 " + "(" * 2000 + "<<" * 500)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("question", "sound"),
    [
        ("One pen is $3 dearer than one pen. One pen costs $4. What do both cost?", False),
        ("Ann has 4 pens. Ann has 3 more pens than Ann. How many pens does Ann have?", False),
        ("Ann has 4 pens and gets 3. How many pens do Ann and Ann have in total?", False),
        ("Each pen costs 3 times as much as each pen. A pen costs $4. What is it?", False),
        ("Ann has 4 pens. Bob has 3 more pens than Ann. How many pens does Bob have?", True),
        ("Each pen costs 3 times as much as each cap. A cap is $4. What is a pen?", True),
        ("For one pen, Ann pays $3 more than for one cap. A cap is $4. And a pen?", True),
        ("Ann has 4 pens, 3 fewer than Ann had. How many pens did Ann have?", True),
    ],
)
def test_a_problem_may_not_set_a_thing_against_itself(question: str, sound: bool) -> None:
    faults = check_working(question, "4 + 3 = 7", "7")
    assert any("against itself" in fault.reason for fault in faults) != sound
