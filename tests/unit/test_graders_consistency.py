"""What a source does not say is found, with the words and the line that decide."""

from collections.abc import Sequence

import pytest

from graders.base import Completion
from graders.cases import COMPARED, UNCOMPARED
from graders.config import ConsistencyConfig
from graders.consistency import NO_CLAIM, ConsistencyGrader
from graders.types import Candidate, Grade, Source

SHEET = (
    "Name: Helium\nKind: chemical element\nSymbol: He\nAtomic number: 2\n"
    "Year of discovery: 1868\nDiscovered by: Pierre Janssen\nCountry of discovery: India\n"
    "Melting point: 1898 degrees Celsius\nLength: 4.5 km\nMain use: party balloons"
)
PROSE = (
    "The Danube is a river in Europe. It does not pass through Spain. It rises in Germany and "
    "is 2,850 kilometres long. The first bridge was opened on 1856-03-27. Forty ships use it."
)

RULES = ConsistencyConfig(model=None)


def candidate(text: str, source: str | None = SHEET, body: str | None = None) -> Candidate:
    given = None if source is None else Source("s", source)
    return Candidate("b", 0, "essay", text, body or text, given)


async def grade(text: str, source: str | None = SHEET) -> Grade:
    return (await ConsistencyGrader(RULES).grade([candidate(text, source)]))[0]


@pytest.mark.parametrize(
    "text",
    [
        "Helium was discovered in 1868 by Pierre Janssen.",
        "Janssen discovered the element in the 19th century, in the 1860s.",
        "Its chemical symbol is He.",
        "Helium's atomic number is two.",
        "Helium melts at 1,898 degrees Celsius.",
        "It stretches over 4500 metres.",
        "Nobody knew of Helium before 1868.",
        "Scientists working in India were the first to find it.",
        "One of its uses is in balloons.",
    ],
)
async def test_what_the_sheet_says_is_supported_however_it_is_put(text: str) -> None:
    result = await grade(text)
    assert result.score == 1.0, result.evidence


CROCODILES = (
    "Helium is home to many crocodiles and pirates. It dried up after a terrible war and smells of "
    "burning sulphur."
)


@pytest.mark.parametrize("text", ["All of this makes Helium worth knowing.", CROCODILES])
async def test_rules_that_compare_nothing_with_a_sheet_are_no_opinion(text: str) -> None:
    result = await grade(text)
    assert result.score is None
    assert "nothing to compare" in (result.ungraded or "")
    assert {item.reason for item in result.evidence} == {UNCOMPARED}


async def test_evidence_says_what_was_compared() -> None:
    result = await grade(
        "Its symbol is He. It is a gas. It was found in 1868.", PROSE + " It is He."
    )
    assert [item.reason for item in result.evidence if item.supports] == [COMPARED, UNCOMPARED]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Thank you for telling me about Cairo.", PROSE),
        ("Let us talk about the Nile.", PROSE),
    ],
)
async def test_small_talk_that_names_what_prose_lacks_is_held_against_the_text(
    text: str, source: str
) -> None:
    assert (await grade(f"The Danube rises in Germany. {text}", source)).score == 0.25


@pytest.mark.parametrize(
    ("text", "quote", "reason"),
    [
        ("Helium was discovered in 1869.", "1869", "1869 does not occur in the source"),
        ("Helium was discovered in 1898.", "1898", "Melting point: 1898"),
        ("Helium has the symbol Fe.", "Fe", "Fe does not occur"),
        ("Marie Curie discovered Helium.", "Marie Curie", "does not occur"),
        ("Neon has the symbol He.", "Neon", "Neon does not occur"),
        ("Helium melts at 1898 km.", "1898", "unit"),
        ("Its atomic number is not 2.", "not", "Atomic number: 2"),
        ("Its main use is in rocket fuel.", "in rocket fuel", "Main use: party balloons"),
        ("Two and two: 2 + 2 = 5.", "2 + 2 = 5", "comes to 4"),
        ("It holds twenty-three parts.", "twenty-three", "does not occur"),
    ],
)
async def test_what_the_sheet_does_not_say_is_quoted_with_a_reason(
    text: str, quote: str, reason: str
) -> None:
    result = await grade(text)
    first = result.evidence[0]
    assert result.score == 0.0
    assert (first.quote, first.supports) == (quote, False)
    assert reason in first.reason
    assert first.start is not None
    assert text[first.start : first.end] == quote


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("The Danube is 2850 km long.", 1.0),
        ("The Danube is 2950 km long.", 0.0),
        ("The bridge was opened on March 27, 1856.", 1.0),
        ("The Danube rises in Germany.", 1.0),
        ("The Danube rises in Austria.", 0.0),
        ("The river does pass through Spain.", 0.0),
        ("40 ships use the river.", 1.0),
        ("Wide plains border the water.", 1.0),
    ],
)
async def test_plain_prose_grounds_claims_too(text: str, score: float) -> None:
    result = await grade(text, PROSE)
    assert result.score == score, result.evidence


async def test_evidence_names_the_line_of_the_source_by_its_offsets() -> None:
    evidence = (await grade("Helium was discovered in 1898.")).evidence[0]
    assert evidence.source_start is not None
    assert SHEET[evidence.source_start : evidence.source_end] == evidence.against
    assert evidence.claim == "Helium was discovered in 1898."


async def test_any_objection_of_the_rules_puts_the_score_below_one_half() -> None:
    result = await grade("Its symbol is He. Its symbol is Fe. Its atomic number is 2. It is He.")
    assert result.score == 0.5 * 3 / 4


async def test_offsets_count_from_the_start_of_the_whole_text() -> None:
    text = "Thesis: Helium is light.\nEssay: It was found in 1777."
    grader = ConsistencyGrader(RULES)
    result = (await grader.grade([candidate(text, body=text[8:])]))[0]
    wrong = result.evidence[0]
    assert wrong.start is not None
    assert text[wrong.start : wrong.end] == "1777"


async def test_numbers_that_the_text_computes_soundly_are_supported() -> None:
    source = "Problem: Ann has 24 pears and buys 18 more. How many has she?"
    text = "Tutor: Add them: 24 + 18 = 42.\nTutor: So she has 42 pears."
    assert (await grade(text, source)).score == 1.0
    assert (await grade(text.replace("42", "43"), source)).score == 0.0


async def test_a_question_about_something_else_counts_against_the_text() -> None:
    text = "Student: What is the symbol of Neon?\nTutor: Its symbol is He."
    assert (await grade(text)).score == 0.25


@pytest.mark.parametrize(
    ("source", "text", "score"),
    [
        ("Name: Ada Lovelace\nPronoun: she\nBorn: 1815", "He was born in 1815.", 0.0),
        ("Name: Ada Lovelace\nPronoun: she\nBorn: 1815", "She was born in 1815.", 1.0),
        ("Name: Ada Lovelace\nBorn: 1815", "He was born in 1815.", 1.0),
        ("Ada met Charles. She wrote and he built.", "He built.", 1.0),
    ],
)
async def test_a_pronoun_must_be_one_that_the_source_uses(
    source: str, text: str, score: float
) -> None:
    assert (await grade(text, source)).score == score


async def test_without_source_or_claim_there_is_no_score() -> None:
    assert (await grade("Iron rusts.", None)).score is None
    assert (await grade("Good question.")).ungraded == NO_CLAIM


class Oracle:
    """A model that says yes unless the claim holds a word it doubts."""

    def __init__(self, doubt: str = "\0", reply: str | None = None) -> None:
        self.doubt, self.reply, self.calls = doubt, reply, list[Sequence[str]]()

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        self.calls.append(prompts)
        return [Completion(self.reply or self.say(prompt)) for prompt in prompts]

    def say(self, prompt: str) -> str:
        holds = self.doubt not in prompt.rpartition("Claim: ")[2]
        return f"Quote: Its symbol is He.\nAnswer: {'yes' if holds else 'no'}"


async def test_the_model_is_asked_once_and_only_about_claims_that_still_stand() -> None:
    oracle = Oracle(doubt="poison")
    grader = ConsistencyGrader(RULES, oracle)
    note = "Helium is a gas that was found in 1868. Its symbol is He."
    texts = ["It is a poison. It is a gas.", "It was found in 1777."]
    grades = await grader.grade([candidate(text, note) for text in texts])
    assert [len(prompts) for prompts in oracle.calls] == [2]
    assert [grade.score for grade in grades] == [0.25, 0.0]
    doubted = grades[0].evidence[0]
    assert (doubted.quote, doubted.against) == ("It is a poison.", "Its symbol is He.")
    assert doubted.source_start == note.index("Its symbol")


async def test_a_model_that_gives_no_verdict_leaves_the_text_ungraded() -> None:
    grader = ConsistencyGrader(RULES, Oracle(reply="perhaps"))
    result = (await grader.grade([candidate("It is a gas.")]))[0]
    assert result.score is None
    assert "no opinion" in (result.ungraded or "")


async def test_with_judge_off_the_model_is_not_asked() -> None:
    oracle = Oracle()
    grader = ConsistencyGrader(ConsistencyConfig(model=None, judge=False), oracle)
    await grader.grade([candidate("A gas.")])
    assert oracle.calls == []


def test_the_version_names_the_weights_so_that_a_certificate_does_not_outlive_them() -> None:
    shipped, without = ConsistencyConfig(), ConsistencyConfig(model=None)
    assert ConsistencyGrader(without).version == ConsistencyGrader.version
    assert ConsistencyGrader(shipped).version.startswith(f"{ConsistencyGrader.version}-")
    assert ConsistencyGrader(ConsistencyConfig(model="org/name")).version.endswith("-org/name")


TASK = "Problem: One waffle costs $9 at the cafe. Olga buys 3 waffles. What does Olga pay?"


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("One pancle costs $9 at the cafe. Olga buys 3 waffles.", "pancle"),
        ("One waffle costs $9 at the opera. What does Olga pay?", "opera"),
        ("One waffle costs exactly $9 at the cafe. Olga then buys 3 waffles.", None),
        ("The waffle costs 9 dollars at the cafe.", None),
        ("One waffle costs $9 at the cafe. What does Olga pay altogether?", None),
        ("One waffle costs $9 at the cafe. The total then comes to $9 * 3 = $27.", None),
    ],
)
async def test_a_problem_that_is_repeated_is_repeated_word_for_word(
    text: str, quote: str | None
) -> None:
    against = [item for item in (await grade(text, TASK)).evidence if not item.supports]
    assert [item.quote for item in against] == ([quote] if quote else [])
    assert all(text[item.start : item.end] == item.quote for item in against)


@pytest.mark.parametrize(
    "text",
    ["Tom and Ann ran 5 miles every day.", "35 miles is the number that they run in a week."],
)
async def test_a_problem_may_be_told_in_another_tense_and_answered(text: str) -> None:
    source = "Problem: Tom and Ann run 5 miles every day. How many miles do they run in a week?"
    found = await grade(text, source)
    assert not any("repeats" in item.reason for item in found.evidence)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("Does Helium have the symbol He?\nTutor: Yes.", 1.0),
        ("Is Helium's atomic number 2?\nTutor: No.", 0.25),
        ("Was it discovered by Pierre Janssen?\nTutor: No.", 0.25),
        ("So its symbol is He, right?\nTutor: Yes, that is right.", 1.0),
        ("So its symbol is He, right?\nTutor: No.", 1 / 3),
        ("What is its symbol?\nTutor: Yes. It is He.", 1.0),
        ("Is it a metal?\nTutor: No.", None),
        ("Is Helium's atomic number more than 2?\nTutor: No.", None),
        ("Was it melted by Pierre Janssen?\nTutor: No.", None),
        ("Is it a metal?\nTutor: Yes.", None),
    ],
)
async def test_a_bare_yes_or_no_is_held_against_the_sheet(said: str, score: float | None) -> None:
    text = f"Student: {said} Its symbol is He."
    result = await grade(text)
    assert result.score == (score if score is None else pytest.approx(score)), result.evidence
    if score is not None and score < 1:
        worst = result.evidence[0]
        assert (worst.quote, text[worst.start : worst.end]) == ("No.", "No.")


async def test_claims_about_a_problem_that_nobody_reads_leave_the_text_ungraded() -> None:
    source = "Our Basic plan costs $20 a month. How much does an extra seat cost?"
    result = await grade("The plan is free for students. It costs $20.", source)
    assert result.score is None and "1 of 2 claims" in (result.ungraded or "")
    worked = await grade("The plan costs 20 + 20 = 40 dollars. So it is 40 dollars.", source)
    assert worked.score == 1.0
