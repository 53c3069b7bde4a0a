"""Form: what it refuses, where it points, and that an early abort never costs a good text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.config import FormConfig
from graders.defects import LONGEST_LOOP, LOOP_TIMES, _cycle, _may_loop, find_unreadable
from graders.form import FormGrader
from graders.language import MIN_LETTERS, script_shares
from graders.types import Candidate, Grade, Source

GOOD = (
    "Thesis: The Danube is a river of many countries.\nEssay: The Danube rises in the Black "
    "Forest. It flows east for 2,850 kilometres and it enters the Black Sea. Ten countries share "
    "its banks, and four capitals stand on them: Vienna, Bratislava, Budapest and Belgrade."
)


def make(text: str, **fields: object) -> Candidate:
    values: dict[str, object] = {
        "batch_id": "b", "seq": 0, "recipe": "essay", "text": text, "body": text, **fields
    }  # fmt: skip
    return Candidate(**values)  # type: ignore[arg-type]


def judge(text: str, **fields: object) -> Grade:
    return FormGrader().judge(make(text, **fields))


def assert_points_into(text: str, grade: Grade) -> None:
    for evidence in grade.evidence:
        assert evidence.start is not None and evidence.end is not None
        assert text[evidence.start : evidence.end] == evidence.quote


async def test_a_whole_text_scores_one_without_evidence() -> None:
    grades = await FormGrader().grade([make(GOOD), make(GOOD)])
    assert [grade.score for grade in grades] == [1.0, 1.0]
    assert grades[0].evidence == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("Well.", "too short"),
        ("word " * 3 + "x" * 60_000, "too long"),
        (GOOD + "\x00", "unreadable"),
        (GOOD + "\ufffd", "unreadable"),
        (GOOD + " and then" * 12, "loops"),
        (GOOD + " abab" + "ab" * 30, "loops"),
        ("I cannot help you with that request.", "refused"),
        ("I'm sorry, but I can\u2019t assist with this one.", "refused"),
        ("As an AI language model, I do not write essays.", "refused"),
        ("Essay first. As an AI language model, I have no view.", "refused"),
        ("".join(f" Fact {n}. It is a long river indeed." for n in range(4)), "same sentence"),
    ],
)
def test_a_defect_scores_zero_and_is_pointed_at(text: str, reason: str) -> None:
    grade = judge(text)
    assert grade.score == 0.0
    assert reason in grade.evidence[0].reason
    assert_points_into(text, grade)


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help but admire the Danube, which crosses ten countries on its way.",
        "Student: I cannot solve this.\nTutor: Begin with the trains.\nStudent: All of them?",
        "Step 1: 3 + 3 = 6\nStep 2: 6 + 6 = 12\n------------------------------------\nAnswer: 12",
        "No, no, no, no! he said; that is not what the letter says at all.",
        "| a | b |\n|----------------------------|---|\n| 1 | 2 |",
    ],
)
def test_harmless_texts_that_look_like_defects_pass(text: str) -> None:
    assert judge(text).score == 1.0


def test_malformed_and_cut_off_texts_fail_with_their_own_reason() -> None:
    assert judge(GOOD, malformed="no 'Essay:' part").evidence[0].reason == "no 'Essay:' part"
    assert "token limit" in judge(GOOD, finish_reason="length").evidence[0].reason
    assert "aborted" in judge(GOOD, finish_reason="aborted").evidence[0].reason


def test_a_bare_answer_is_long_enough_where_a_question_is_known() -> None:
    assert judge("12", gold="12").score == 1.0
    assert judge("12").score == 0.0


def test_text_that_keeps_coming_back_to_the_same_words_is_repetition() -> None:
    lines = [f"The river flows to the sea of the north {n} and it is wide. " for n in range(12)]
    assert "repeats itself" in judge("".join(lines)).evidence[0].reason


def test_a_refusal_inside_the_body_is_found_at_its_offset() -> None:
    text = "Problem: How many?\nSolution:\nI'm unable to answer this."
    body = "I'm unable to answer this."
    grade = judge(text, body=body)
    assert grade.evidence[0].start == text.index(body)


RUSSIAN = "Дунай течёт на восток и впадает в Чёрное море, пересекая десять стран Европы."
GERMAN = (
    "Die Donau entspringt im Schwarzwald und mündet nach langem Lauf ins Schwarze Meer. Zehn "
    "Länder liegen am Strom, und vier Hauptstädte stehen an ihm, darunter Wien und Budapest."
)


def test_the_script_of_the_source_is_wanted_unless_told_otherwise() -> None:
    assert judge(RUSSIAN, source=Source("s", GOOD)).score == 0.0
    assert judge(RUSSIAN, source=Source("s", RUSSIAN)).score == 1.0
    assert judge(RUSSIAN).score == 1.0
    anything = FormGrader(FormConfig(language=None))
    assert anything.judge(make(RUSSIAN, source=Source("s", GOOD))).score == 1.0


def test_english_is_told_from_other_languages_when_asked() -> None:
    english = FormGrader(FormConfig(language="en"))
    assert [english.judge(make(text)).score for text in (GOOD, GERMAN, RUSSIAN)] == [1.0, 0.0, 0.0]


WORDS = st.sampled_from(
    ["the", "a", "cat", "sat", "the cat sat on the mat.", "ab", "abababababababababababababababab",
     "I cannot", "assist", "help", "with", "but", "As an AI", "\ufffd", "\x07", "\n", "----", "1."]
)  # fmt: skip
TEXTS = st.builds(
    lambda units: "".join(word * times + gap for word, times, gap in units),
    st.lists(
        st.tuples(
            st.one_of(WORDS, st.lists(WORDS, max_size=3).map(lambda w: " ".join(w) + " ")),
            st.integers(1, 17),
            st.sampled_from([" ", "", "\n", ". "]),
        ),
        max_size=6,
    ),
)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_text_that_is_aborted_early_could_never_have_passed(prefix: str, rest: str) -> None:
    grader = FormGrader(FormConfig(max_chars=800))
    if grader.early_abort(prefix) is not None:
        for text in (prefix, prefix + rest, prefix + " " + rest):
            assert grader.judge(make(text)).score == 0.0


@pytest.mark.parametrize(
    "text",
    [
        GOOD + " and then" * 12 + " ",
        "I cannot assist with that, sorry. ",
        GOOD + "\ufffd ",
        "".join(f"Fact {n}. It is a long river indeed. " for n in range(4)),
        "x" * 50_001,
        GOOD * 9 + " " + "no" * 30 + " ",
    ],
)
def test_a_doomed_text_is_aborted(text: str) -> None:
    assert FormGrader().early_abort(text) is not None


def test_a_good_text_is_never_aborted_on_the_way() -> None:
    grader = FormGrader()
    assert all(grader.early_abort(GOOD[:n]) is None for n in range(len(GOOD) + 1))


def test_half_a_character_at_the_end_of_a_stream_is_not_yet_a_defect() -> None:
    assert FormGrader().early_abort("The caf\ufffd") is None


@pytest.mark.timeout(10)
@pytest.mark.parametrize("unit", [" \n", " ", ". ", "a", "(", "ab ", "sorry, "])
def test_no_text_makes_the_searches_slow(unit: str) -> None:
    assert judge((unit * 40_000)[:40_000] + " and so on").score is not None


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=12),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=8),
    st.integers(1, 24),
)
def test_the_cheap_look_for_loops_overlooks_none(
    before: list[str], loop: list[str], times: int
) -> None:
    words = before + loop * times + before
    periods = range(1, min(LONGEST_LOOP, len(words) // LOOP_TIMES) + 1)
    if any(_cycle(words, period) for period in periods):
        assert _may_loop(words)


@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_the_letters_of_ascii_are_counted_as_those_of_any_text(text: str) -> None:
    enough = sum(letter.isalpha() for letter in text) >= MIN_LETTERS
    assert script_shares(text) == ({"LATIN": 1.0} if enough else {})


@pytest.mark.parametrize("mark", ["\u200b", "\u2060", "\ufeff", "\u200d", "\u00ad\u00ad", "\ufe0f"])
def test_invisible_marks_inside_a_word_are_refused(mark: str) -> None:
    text = f"The ri{mark}ver is long and wide."
    found = find_unreadable(text)
    assert found is not None and "invisible" in found.reason
    assert text[found.start : found.end] == mark


@pytest.mark.parametrize(
    "text",
    [
        "A so\u00adft hyphen.",
        "A family: 👨\u200d👩\u200d👧.",
        "\u0645\u06cc\u200c\u062e\u0648",
        "\ufeffA start.",
    ],
)
def test_marks_that_readers_see_the_use_of_are_let_be(text: str) -> None:
    assert find_unreadable(text) is None


def test_a_text_that_is_too_long_has_that_defect_alone() -> None:
    text = "word " * 20_000 + "\x00"
    candidate = Candidate("b", 0, "essay", text, text)
    [evidence] = FormGrader().judge(candidate).evidence
    assert "too long" in evidence.reason
