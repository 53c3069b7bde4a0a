"""A text is stopped only when every continuation of it would be refused, and for that reason."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.base import Completion
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.prompts import NOTHING, UNCLEAR
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


def test_only_fact_sheets_and_problems_are_watched() -> None:
    prose = Source("p", "Iron is a metal that is found in Sweden. People have used it for long.")
    assert watches(SHEET, 0.5) and watches(PROBLEM, 0.5)
    assert not watches(prose, 0.5)


REPLIES = (
    "Symbol: Fe", "Symbol: Au", "Found in: Norway", "Name: iron", "Melting point: 12", NOTHING,
    UNCLEAR, "no line at all",
)  # fmt: skip
ASKING = ConsistencyConfig(model=None)
ASKING_VERSION = ConsistencyGrader(ASKING).version


def reply_to(prompt: str) -> str:
    """A model's reply, sensible or not, that depends on the prompt alone."""
    return REPLIES[crc32(prompt.encode()) % len(REPLIES)]


def graded_by_asking(text: str, reply: Callable[[str], str] = reply_to) -> Grade:
    """The whole text's grade by the rules and a model that replies so."""

    async def complete(
        prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        return [Completion(reply(prompt)) for prompt in prompts]

    candidate = Candidate("b", 0, "dialogue", text, text.strip(), SHEET)
    [grade] = asyncio.run(ConsistencyGrader(ASKING, complete).grade([candidate]))
    return grade


class Asked:
    """The questions of one watch; a reply comes only when it is let go."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self._waiting: list[tuple[str, Callable[[Completion], None]]] = []

    def __call__(self, prompt: str, *, max_tokens: int, hear: Callable[[Completion], None]) -> None:
        self.prompts.append(prompt)
        self._waiting.append((prompt, hear))

    def answer(self, reply: Callable[[str], str] = reply_to, error: str | None = None) -> None:
        for prompt, hear in self._waiting:
            hear(Completion("" if error else reply(prompt), error))
        self._waiting = []


def asking_watch(asked: Asked, config: ConsistencyConfig = ASKING) -> ClaimWatch:
    return ClaimWatch(config, SHEET, whole, ASKING_VERSION, asked)


@settings(max_examples=400, deadline=None)
@given(texts, texts, st.integers(1, 40))
def test_what_the_model_objects_to_while_a_text_is_written_it_refuses_in_the_end(
    text: str, more: str, lag: int
) -> None:
    asked = Asked()
    follower = asking_watch(asked)
    for end in range(len(text) + 1):
        if end % lag == 0:
            asked.answer()
        if follower(text[:end]) is not None:
            for whole_text in (text, text + more):
                score = graded_by_asking(whole_text).score
                assert score is None or score < 0.5
            return


def test_each_finished_claim_that_the_rules_let_stand_is_asked_about_once() -> None:
    asked = Asked()
    follower = asking_watch(asked)
    text = GOOD + "Is it found in Sweden? It melts at 1538 degrees Celsius. It is"
    assert shown(follower, text, range(len(text) + 1)) is None
    claims = ("Iron is a metal.", "Its symbol is Fe.", "Its atomic number is 26.", "It melts at")
    assert len(asked.prompts) == len(claims)
    assert all(claim in prompt for claim, prompt in zip(claims, asked.prompts, strict=True))


def test_an_objection_ends_the_text_at_the_next_call_with_the_graders_own_evidence() -> None:
    def objects(prompt: str) -> str:
        return "Found in: Norway" if "symbol is" in prompt else NOTHING

    asked = Asked()
    follower = asking_watch(asked)
    text = "Iron is a metal. Its symbol is Fe. It is"
    assert follower(text) is None
    asked.answer(objects)
    grade = follower(text + " found")
    assert grade is not None and (grade.score, grade.grader) == (0.25, "consistency")
    [evidence] = grade.evidence
    assert text[evidence.start : evidence.end] == evidence.quote == "Its symbol is Fe."
    assert evidence.reason == "this says 'Found in: Norway', the source 'Found in: Sweden'"
    assert evidence in graded_by_asking(text, objects).evidence


@pytest.mark.parametrize("reply", [UNCLEAR, "no line at all", "Symbol: Fe"])
def test_a_reply_that_may_yet_be_taken_back_ends_nothing(reply: str) -> None:
    asked = Asked()
    follower = asking_watch(asked)
    assert follower("Its symbol is Fe. It is") is None
    asked.answer(lambda prompt: reply)
    assert follower("Its symbol is Fe. It is a metal. It") is None
    asked.answer(error="the engine is gone")
    assert follower("Its symbol is Fe. It is a metal. It is") is None


def test_a_reply_about_a_text_that_was_begun_anew_is_forgotten() -> None:
    asked = Asked()
    follower = asking_watch(asked)
    assert follower("Its symbol is Fe. It is") is None
    assert follower("Iron is a metal. It is") is None
    asked.answer(lambda prompt: "Found in: Norway" if "symbol" in prompt else NOTHING)
    assert follower("Iron is a metal. It is found") is None


@pytest.mark.parametrize(
    "config", [ConsistencyConfig(judge=False), ConsistencyConfig(entail_labelled=True)]
)
def test_where_the_grader_asks_nothing_the_watch_does_not_either(
    config: ConsistencyConfig,
) -> None:
    asked = Asked()
    follower = asking_watch(asked, config)
    shown(follower, GOOD, range(len(GOOD) + 1))
    assert not asked.prompts


PROBLEM = Source(
    "p", "Problem: Mia has 12 books. She buys 8 more books. How many books does Mia have now?"
)
WORKED = (
    "Student: How do I begin?", "Tutor: Mia has 12 books.", "She buys 8 more pencils.",
    "12 + 8 = 20.", "12 + 8 = 21.", "So there are 20 books.", "She buys 8 more books.",
    "Bob buys 8 more books.",
    "There are 21 of them.", "13 + 8 = 21.", "Is it 21?", "Is it 20?", "Answer: 20 books.", "\n",
    "20 - 8 = 12.", "No. 7", "She buys 8 more books", "12 + 8 =", "Hello, Bob!", "Thank you.",
)  # fmt: skip
solutions = st.lists(st.sampled_from(WORKED), max_size=9).map(" ".join)


def graded_solution(text: str) -> Grade:
    candidate = Candidate("b", 0, "dialogue", text, text.strip(), PROBLEM)
    [grade] = asyncio.run(ConsistencyGrader(RULES).grade([candidate]))
    return grade


@settings(max_examples=400, deadline=None)
@given(solutions, solutions)
def test_a_stopped_text_about_a_problem_is_refused_under_any_continuation(
    text: str, more: str
) -> None:
    follower = ClaimWatch(RULES, PROBLEM, whole, VERSION)
    if shown(follower, text, range(len(text) + 1)) is not None:
        for whole_text in (text, text + more, f"{text} {more}"):
            score = graded_solution(whole_text).score
            assert score is None or score < 0.5


@pytest.mark.parametrize(
    ("text", "stopped_by"),
    [
        ("Mia has 12 books. 12 + 8 = 21. So there", "the left side comes to 20, not 21"),
        ("She buys 8 more pencils. She has", "the source, which this repeats, says 'books'"),
        ("There are 21 of them. She buys", None),  # 13 + 8 = 21 may follow
        ("Mia has 12 books. 12 + 8 = 20. So there", None),
    ],
)
def test_a_problem_told_or_solved_wrongly_stops_a_text(text: str, stopped_by: str | None) -> None:
    grade = ClaimWatch(RULES, PROBLEM, whole, VERSION)(text)
    assert (grade and grade.evidence[0].reason) == stopped_by
