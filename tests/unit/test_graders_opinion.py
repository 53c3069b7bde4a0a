"""The model's second opinion: what is asked about which source, and what its replies hold."""

from collections.abc import Sequence

import pytest

from graders.base import Completion
from graders.claims import split_claims
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.errors import UngradedError
from graders.grounding import index_source
from graders.opinion import Question, objection, questions
from graders.types import Candidate, Grade, Source

SHEET = "Name: The Danube\nKind: river\nLength: 2850 km\nFlows into: the Black Sea"
PROBLEM = "Problem: Ann has 3 pens and buys 4 more. How many pens does Ann have?"
PROSE = "The Danube is a river. It is 2850 km long and flows into the Black Sea."
CLAIMS = split_claims("The Danube is 2850 km long. It ends in the Black Sea.")


def ask(source: str) -> list[Question]:
    return list(questions(index_source(source), CLAIMS, [0, 1]))


def object_to(reply: str, said: str = "The Danube is 2850 km long.") -> str | None:
    [claim] = split_claims(said)
    index = index_source(SHEET)
    [question] = questions(index, [claim], [0])
    found = objection(question, reply, claim, index)
    return found.reason if found else None


def test_a_sheet_is_not_shown_when_the_model_says_what_a_claim_states() -> None:
    asked = ask(SHEET)
    assert [question.kind for question in asked] == ["facts", "facts"]
    assert all("2850 km\n" not in q.prompt and "Labels: Name, Kind" in q.prompt for q in asked)


def test_a_problem_is_solved_once_for_its_last_number() -> None:
    claims = split_claims("So Ann has 3 + 4 = 7 pens. That is all for now then.")
    [question] = questions(index_source(PROBLEM), claims, range(len(claims)))
    assert (question.kind, question.place) == ("solve", 0)
    assert question.prompt.endswith("How many pens does Ann have?")


def test_prose_gets_a_verdict_on_each_claim() -> None:
    assert [question.kind for question in ask(PROSE)] == ["verdict", "verdict"]


@pytest.mark.parametrize(
    "reply",
    [
        "Name: The Danube\nLength: 2850 km",
        "Name: the Danube",
        "length: about 2850 km",
        "Nothing",
    ],
)
def test_lines_that_the_source_has_support_a_claim(reply: str) -> None:
    assert object_to(reply) is None


@pytest.mark.parametrize(
    ("said", "reply", "reason"),
    [
        ("It is 2580 km long.", "Length: 2580 km", "the source 'Length: 2850 km'"),
        ("The Dniester is long.", "Name: The Dniester", "the source 'Name: The Danube'"),
        ("It ends in Vienna.", "Flows into: Vienna", "the source 'Flows into: the Black Sea'"),
        ("It ends in a lake.", "Flows into: a lake", "'Flows into: the Black Sea'"),
        ("It passes Vienna.", "Other: Vienna", "under no label"),
        ("It is not 2850 km long.", "Length: not 2850 km", "not 2850 km"),
        ("Long it flow the sea.", "Unclear", "can't tell"),
    ],
)
def test_a_line_that_differs_from_the_source_speaks_against_a_claim(
    said: str, reply: str, reason: str
) -> None:
    assert reason in (object_to(reply, said) or "")


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("It is 2850 km long.", "Length: 285 km"),
        ("It ends in the Black Sea.", "Flows into: Black Sea"),
        ("It is 2850 km long.", "Name: The Dniester\nLength: 2850 km"),
        ("It is 2850 km long.", "Other: Vienna\nLength: 2850 km"),
        ("It flows into the Black Sea over 2850 km.", "Flows into: 2850 km"),
    ],
)
def test_the_model_s_own_slips_do_not_count(said: str, reply: str) -> None:
    assert object_to(reply, said) is None


@pytest.mark.parametrize("reply", ["", "I think so", "\n\n"])
def test_an_unreadable_reply_is_no_opinion(reply: str) -> None:
    with pytest.raises(UngradedError):
        object_to(reply)


def test_a_dialogue_about_a_problem_must_reach_the_answer_of_a_fresh_solution() -> None:
    claims = split_claims("So Ann has 8 pens.")
    [question] = questions(index_source(PROBLEM), claims, [0])
    index = index_source(PROBLEM)
    found = objection(question, "Step 1: 3 + 4 = 7 pens.\nAnswer: 7 pens", claims[0], index)
    assert found is not None
    assert "7" in found.reason
    assert objection(question, "Answer: 8 pens", claims[0], index) is None


async def grade(text: str, replies: dict[str, str]) -> Grade:
    async def complete(
        prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        found = (next((r for part, r in replies.items() if part in p), "") for p in prompts)
        return [Completion(reply, None if reply else "no reply") for reply in found]

    grader = ConsistencyGrader(ConsistencyConfig(), complete)
    candidate = Candidate("b", 0, "essay", text, text, Source("danube", SHEET))
    [graded] = await grader.grade([candidate])
    return graded


async def test_a_claim_that_the_rules_let_pass_falls_to_what_the_model_reads_in_it() -> None:
    text = "The Danube is a river. Its length is that of the Black Sea."
    graded = await grade(text, {"is a river": "Kind: river", "that of": "Length: the Black Sea"})
    assert graded.score == 0.25
    [evidence] = [item for item in graded.evidence if not item.supports]
    assert evidence.against == "Length: 2850 km"
    assert SHEET[evidence.source_start : evidence.source_end] == evidence.against
    assert text[evidence.start : evidence.end] == evidence.quote


async def test_a_model_that_never_answers_leaves_the_text_ungraded() -> None:
    graded = await grade("The Danube is a river.", {})
    assert graded.score is None
    assert "no opinion" in (graded.ungraded or "")


async def test_one_question_that_failed_leaves_the_text_ungraded() -> None:
    graded = await grade(
        "The Danube is a river. It is 2850 km long.", {"is a river": "Kind: river"}
    )
    assert graded.score is None
    assert "1 of 2 claims" in (graded.ungraded or "")


def test_a_label_that_stands_twice_has_two_values() -> None:
    sheet = "Name: The Danube\nCity: Vienna\nCity: Budapest\nLength: 2850 km"
    [claim] = split_claims("The Danube passes Vienna.")
    index = index_source(sheet)
    [question] = questions(index, [claim], [0])
    assert objection(question, "Name: The Danube\nCity: Vienna", claim, index) is None
    [other] = split_claims("The Danube passes Graz.")
    assert objection(question, "Name: The Danube\nCity: Graz", other, index) is not None


@pytest.mark.parametrize(
    ("said", "value", "stands"),
    [
        ("The Danube is 2,850 km long.", "2,850 km", True),
        ("The Danube is 2850 kilometres long.", "2850 kilometres", True),
        ("The Danube is 850 km long.", "850 km", False),
        ("The Danube is 2.850 km long.", "2.850 km", False),
    ],
)
def test_values_are_compared_as_quantities(said: str, value: str, stands: bool) -> None:
    assert (object_to(f"Length: {value}", said) is None) == stands


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ("That makes 7 pens for Ann on 1 desk.", True),
        ("So it is 3 + 4 = 7 pens.", True),
        ("So it is 7 + 1 = 8 pens.", False),
    ],
)
def test_a_claim_must_name_the_answer_of_the_fresh_solution(said: str, stands: bool) -> None:
    [claim] = split_claims(said)
    index = index_source(PROBLEM)
    [question] = questions(index, [claim], [0])
    assert (objection(question, "Step 1: 3 + 4 = 7\nAnswer: 7", claim, index) is None) == stands
