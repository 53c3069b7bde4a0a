"""Worked solutions are recomputed, final answers compared, problems solved again."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from graders.answers import NO_SOLVER, AnswersGrader
from graders.arithmetic import find_equations
from graders.base import Completion, Model
from graders.config import AnswersConfig, GradersConfig
from graders.equivalence import same_answer
from graders.errors import GraderConfigError
from graders.final_answer import answer_in
from graders.registry import build_graders
from graders.types import Candidate, Grade

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
        ("They had 4 hours for a total of 3*4 = 12 miles", [True]),
        ("18 / 3 = 6 packages of 3", [True]),
        ("8 quarters = 8 * 25 cents = 200 cents", [True, True]),
        ("8 guns + Nick's 10 guns + Ann's 5 guns = 23 guns", []),
        ("Then 2(8) = 16 and 2(8) + 1 = 18", [True, False]),
        ("7.5 / 1/2 = 15", [True]),
        ("4 / 3 = 1 and 1/3", [True]),
        (r"\sqrt{25} = 5 and \frac{10\sqrt{2}}{2} = 5\sqrt{2}", []),
        (r"3\frac{4}{5} = 3 + \frac{4}{5}", [True]),
        (r"\frac{-\frac{1}{2}}{-\frac{1}{4}} = 2", [True]),
        ("9/14*84=54.00000000000001", [True]),
        ("2.5 / 3 = 0.8333 and 18 * 0.8333 = 15", [True, True]),
        ("18 * 0.8333 = 15", [False]),
        ("20 / 7 = 2.85", [True]),
        ("4 * 25 cents = $1", [True]),
        ("4 * 25 cents = $2", [False]),
        ("0.02 Mb/s / 60 / 60 = 0.001", [False]),
        ("3A + 30 = 45", [True]),
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
        ("12", "twelve", True),
        ("76", "seventy six apples", True),
        ("1200", "A: $1,200.00", True),
        ("1200", "#### 1200", True),
        ("20", "A: 10*2 = $<<10*2=20>>20", True),
        ("142", "110+32=142", True),
        ("36", "36 more signatures to reach their goal of 100 signatures.", True),
        ("4", "4 hours and 30 minutes", False),
        ("3", "3 or 4", False),
        ("28%", "28 pct", True),
        ("1000", "1 000", True),
        ("32349", "32,\\! 349", True),
        ("1/3", "0.3333333333333333", True),
        ("x^2+1", "1+x^2", True),
        ("x != 5", "x \\neq 5", True),
        ("(3, 5)", "(3,5)", True),
        ("(0,9)", "[0,9)", False),
        ("6,8", "6 \\text{ and } 8", True),
        ("B", "(B).", True),
        ("B", "most likely B, a goat", True),
        ("A", "A, B or C", False),
        ("yes", "Yes, they could.", True),
        ("yes", "No.", False),
        ("no", "No. Yes", False),
        ("yes", "Yes, no.", False),
        ("no", "No. There is no doubt of it.", True),
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
        ("A: 1200", "1200"),
        ("Therefore, the answer (arabic numerals) is: \n\n19,766", "19,766"),
        ("The answer is 9. The answer (in words) is nine.", "nine"),
        ("\\boxed{2} and \\boxed{3}", "2, 3"),
        ("\\boxed{200} so far. Final answer: 455. I hope it is correct.", "455"),
        ("#### 9\nThe answer is: 9<|im_start|>user: and 5?", "9"),
        ("Answer: 5\nWait, I forgot two pens. The answer is 7.", "7"),
        ("The answer is 7.\nAnswer: 5", "5"),
        ("Answer: A. No wait, the answer is B.", "B"),
        ("Answer: 42. I am sure the answer is right.", "42"),
        ("\\boxed{455}. I hope the answer is correct.", "455"),
        ("it is not 5", None),
        ("It takes 5 hours 30 minutes", "5 hours 30"),
        ("So she needs 5 million", "5 million"),
        ("The temperature is \u22127°C.", "\u22127"),
        ("A: 5 pears  \n\n", "5 pears"),
        ("The total is 5 and a half", "5 and a half"),
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
    """By rules alone: nobody is asked to solve the problem again."""
    return (await AnswersGrader(AnswersConfig(resolutions=0)).grade([made]))[0]


def free(text: str, question: str, gold: str | None = None) -> Candidate:
    """A text of no recipe."""
    return Candidate("b", 0, "", text, text, question=question, gold=gold)


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
        ("A pen costs $2. How much does Maria pay for a dozen pens?", "2 * 12 = 24", "$24"),
        ("A pen costs $2 and a cap $3. How much does Mr Hill pay?", "2 + 3 = 5", "$5"),
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
     ("Of 24, 18, 5, 6, 7, 8 and 9 what is it?", "go unused"),
     ("Ann has 24 pears and 18 plums. How many does Omar have?", "nothing is told of Omar"),
     ("Ann has 24 pears and 18 plums. What is the bill for Omar?", "nothing is told of Omar")],
)  # fmt: skip
async def test_a_senseless_problem_fails(question: str, reason: str) -> None:
    result = await grade(candidate("24 + 18 = 42", "42", question))
    assert any(reason in evidence.reason for evidence in result.evidence)


@pytest.mark.parametrize(
    ("question", "body", "score"),
    [
        ("A token costs $10, now 50% less. What of 1?", "50% of 10 = 5. 5 * 5 = 25.", 0),
        ("A token costs $10. Half the area of the square?", "50% of 10 = 5. 5 * 5 = 25.", 1),
        ("Ann has 10 pens and 50% more in a box. And now?", "50% of 10 = 5. 10 + 5 = 15", 1),
        ("Ann has 4 boxes of 10 pens and 5 of 8. And in all?",
         "4 * 10 = 40. 5 * 8 = 40. 40 + 40 = 80", 1),
        ("At $8 and $4 a month, how much a year?", "8 + 4 = 12. 12 * 12 = 144", 1),
        ("A token costs $10, now 50% less. What of 1?", "50% of 10 = 5. 5 + 5 = 10.", 0),
        ("Half of 10 pens, and the same once more?", "1/2 of 10 = 5. 5 + 5 = 10.", 1),
    ],
)  # fmt: skip
async def test_one_result_may_not_stand_on_both_sides(
    question: str, body: str, score: float
) -> None:
    answer = body.rstrip(".").rsplit("= ", 1)[1]
    result = await grade(candidate(body, answer, question))
    assert result.score == score, result.evidence


@pytest.mark.parametrize(
    "question",
    [
        "Her grandma has 24 pears and 18 plums. How many does Grandma have?",
        "He has 24 and gets 18. If John needs them for May, how many does John have?",
        "He has 24 and gets 18. How much will he have for Christmas?",
    ],
)
async def test_kin_feasts_and_suppositions_need_no_introduction(question: str) -> None:
    assert (await grade(candidate("24 + 18 = 42", "42", question))).score == 1.0


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
        (("42", "42 pears", "$42.00"), 1.0),
        (("42", "42 pears", "7"), 2 / 3),
        (("41", "7", "41"), 0.0),
        (("42", None, "42"), None),
    ],
)
async def test_the_share_of_independent_solutions_that_agree_is_the_score(
    answers: tuple[str | None, ...], score: float | None
) -> None:
    solver = Solver(*answers)
    grader = AnswersGrader(AnswersConfig(resolution_temperature=0.5), solver)
    result = (await grader.grade([candidate("24 + 18 = 42", "42")]))[0]
    assert result.score == (None if score is None else pytest.approx(score))
    assert (result.ungraded is None) is (score is not None)
    assert sorted(t for t, _ in solver.asked) == [0.0, 0.5, 0.5]
    assert len({seed for _, seed in solver.asked}) == 3


async def test_a_second_model_counts_as_much_as_the_first() -> None:
    first, second = Solver("42", "42", "42"), Solver("42", "7", "7")
    grader = AnswersGrader(AnswersConfig(), first, second)
    result = (await grader.grade([candidate("24 + 18 = 42", "42")]))[0]
    assert result.score == pytest.approx((1 + 1 / 3) / 2)
    assert "4 of 6 independent solutions agree" in [e.reason for e in result.evidence]
    assert len(first.asked) == len(second.asked) == 3


async def test_fewer_answers_are_enough_when_the_configuration_says_so() -> None:
    grader = AnswersGrader(AnswersConfig(answers_needed=2), Solver("42", None, "42"))
    assert (await grader.grade([candidate("24 + 18 = 42", "42")]))[0].score == 1.0


def test_a_second_model_is_looked_up_by_its_configured_name() -> None:
    config = GradersConfig.model_validate({"answers": {"second_model": "big"}})
    solver = Solver("42", "42", "42")
    (grader,) = build_graders(config, ["answers"], None, {"big": Model("big", solver)}.__getitem__)
    assert isinstance(grader, AnswersGrader) and grader.solvers == [solver]
    assert config.models_of(["answers", "form"]) == ("big",)
    with pytest.raises(GraderConfigError, match=r"answers\.second_model names 'big'"):
        build_graders(config, ["answers"])


async def test_with_gold_a_wrong_step_is_told_but_fails_the_text_only_when_strict() -> None:
    made = candidate("24 + 18 = 41", "42", gold="42")
    for strict, score in ((False, 1.0), (True, 0.0)):
        result = (await AnswersGrader(AnswersConfig(strict_steps=strict)).grade([made]))[0]
        assert result.score == score
        assert any(not e.supports and "comes to 42" in e.reason for e in result.evidence)


async def test_only_a_recipes_working_is_traced_number_by_number() -> None:
    body = "She has 24 + 18 = 42 pears. That is 42 + 100 = 142 in 10 days. Answer: 142"
    grader, untraced = (
        AnswersGrader(AnswersConfig(trace_operands=traced), Solver("142", "142", "142"))
        for traced in (True, False)
    )
    by_recipe = candidate(body, "142")
    assert (await grader.grade([free(body, QUESTION)]))[0].score == 1.0
    assert (await grader.grade([by_recipe]))[0].score == 0.0
    assert (await untraced.grade([by_recipe]))[0].score == 1.0


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Ann has 12 pens and gives away 5. How many are left?", "A lot are left.\nAnswer: 9"),
        ("What is 17 * 23?", "Answer: 12"),
        ("Ann has 12 pens and gives away 5. How many are left?", "12 - 5 = 7\nAnswer: 9"),
        ("Ann has 12 pens and gives away 5. How many are left?", "12 - 5 = 7\nAnswer: 7"),
        ("Who wrote Hamlet?", "Answer: Shakespeare"),
    ],
)
async def test_without_gold_and_model_an_answer_is_refused_or_ungraded_but_never_passed(
    question: str, text: str
) -> None:
    for config in (AnswersConfig(), AnswersConfig(resolutions=0)):
        result = (await AnswersGrader(config).grade([free(text, question)]))[0]
        assert result.score is None
        told = NO_SOLVER if config.resolutions else "only a recipe's working can be traced"
        assert told in str(result.ungraded)
        stepped = any("every step holds" in evidence.reason for evidence in result.evidence)
        assert stepped == ("=" in text)


async def test_without_a_model_a_step_that_does_not_compute_still_refuses() -> None:
    for made in (free("24 + 18 = 43. Answer: 43", QUESTION), candidate("24 + 18 = 43", "43")):
        assert (await AnswersGrader().grade([made]))[0].score == 0.0


async def test_a_traced_working_passes_unsolved_only_where_no_solution_is_wanted() -> None:
    made = candidate("24 + 18 = 42", "42")
    assert (await grade(made)).score == 1.0
    assert (await AnswersGrader().grade([made]))[0].ungraded == NO_SOLVER
    untraced = AnswersConfig(resolutions=0, trace_operands=False)
    assert (await AnswersGrader(untraced).grade([made]))[0].score is None


@pytest.mark.parametrize(
    "question", ["How long is the Danube?", "Who wrote Hamlet?", "Name the three primary colours."]
)
async def test_a_plain_question_is_not_held_to_what_a_word_problem_needs(question: str) -> None:
    result = (await AnswersGrader().grade([free("Answer: 2850 km", question)]))[0]
    assert (result.score, result.ungraded, result.evidence) == (None, NO_SOLVER, ())


async def test_a_word_problem_of_no_recipe_is_searched_for_flaws() -> None:
    result = await grade(free("24 + 18 = 42. Answer: 42", "Ann has 24 pears. She buys 18."))
    assert result.score == 0.0 and "asks no question" in result.evidence[0].reason


async def test_half_a_person_answers_no_count() -> None:
    question = "A hall of 21 students is split into 2 groups. How many students are in each group?"
    text = "21 / 2 = 10.5 students. Answer: 10.5"
    result = await grade(Candidate("b", 0, "", text, text, question=question))
    assert result.score == 0.0 and "must be whole" in result.evidence[0].reason


async def test_a_text_that_breaks_the_checks_leaves_the_others_graded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(gold: str, given: str) -> bool:
        if "boom" in given:
            raise KeyError(given)
        return same_answer(gold, given)

    monkeypatch.setattr("graders.answers.same_answer", broken)
    made = [candidate("24 + 18 = 42", answer, gold="42") for answer in ("42", "boom", "41")]
    results = await AnswersGrader().grade(made)
    assert [result.score for result in results] == [1.0, None, 0.0]
    assert results[1].ungraded == "the text can't be checked: KeyError"
    assert "KeyError" in caplog.text
    solved = await AnswersGrader(AnswersConfig(), Solver("42", "42", "42")).grade(
        [free("It is so. Answer: boom", QUESTION)]
    )
    assert solved[0].score is None and "KeyError" in str(solved[0].ungraded)


async def test_a_text_too_long_to_check_is_left_ungraded() -> None:
    result = await grade(candidate("24 + 18 = 42. " * 2000, "42"))
    assert result.score is None and "too long to check" in str(result.ungraded)


async def test_no_tokens_are_spent_on_a_working_that_already_failed() -> None:
    solver = Solver("42", "42", "42")
    grader = AnswersGrader(AnswersConfig(), solver)
    await grader.grade([candidate("24 + 18 = 43", "43")])
    assert solver.asked == []


def test_hostile_text_is_read_in_bounded_time() -> None:
    started = time.perf_counter()
    find_equations("1 + " * 2000 + "= 3 " + "(" * 2000 + "<<" * 500)
    assert time.perf_counter() - started < 5
