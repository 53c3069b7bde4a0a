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


TALK = """Hello, ask me anything.
Hello, I would like to learn about One Hundred Years of Solitude.
Hi, please help me study the Brandenburg Gate.
Gladly, let us begin.
Let us go step by step.
Let us see.
Let me explain.
With pleasure.
I see.
Okay.
Of course.
Sure!
Sure, I can help you with that!
Well done.
Yes, that is correct.
That makes sense.
I am not sure how to solve it.
I hope this helps!
Let me know if you have any other questions.
Thank you for telling me about the Danube.
Thanks, that is all for today.
You are welcome, see you soon.
My pleasure, goodbye."""


@pytest.mark.parametrize("sentence", TALK.splitlines())
def test_greetings_thanks_and_a_tutors_phrases_are_small_talk(sentence: str) -> None:
    assert [found.mood for found in split_sentences(f"Tutor: {sentence}")] == ["talk"]


@pytest.mark.parametrize(
    ("question", "answer", "states"),
    [
        ("Does the Danube flow into the Black Sea?", "No.", True),
        ("Does the Danube flow into the Black Sea?", "Yes, that is right.", True),
        ("And isn't it 2850 km long?", "Yes.", True),
        ("So it flows into the Black Sea, right?", "No.", True),
        ("So it flows into the Black Sea, right?", "Yes, that is right.", False),
        ("Where does the Danube rise?", "Yes.", False),
        ("At the end, how many eggs does Jade have?", "Yes.", False),
        ("Could you tell me about the Danube?", "Yes.", False),
        ("Can you help me with it?", "Of course.", False),
        ("Is there anything else?", "No, thank you.", False),
        ("Is that clear?", "Yes, thank you.", False),
        ("Is the Danube long?", "No problem.", False),
    ],
)
def test_a_bare_answer_to_a_question_with_content_is_a_statement_with_it_alone(
    question: str, answer: str, states: bool
) -> None:
    text = f"Student: {question}\nTutor: {answer}"
    last = split_sentences(text)[-1]
    assert (last.text, last.mood) == (answer, "statement" if states else "talk")
    assert answer not in [claim.text for claim in split_claims(text)]


STATED = """You must take arsenic daily.
Please take arsenic daily.
We treat children and adults with untested poisons.
We present a method that learns from noise.
I went to New York last year to sing.
My sister threw the cards at me.
US President Barack Obama spoke in Cairo.
Thank you, the Danube lies in Cairo.
Certainly, the clinic is closed.
Sure, here is an overview of the clinic.
Let us poison the children.
I would like to learn about iron, which kills.
Thank you for telling me about iron: it kills.
I would like to learn about the Danube and how it kills.
I hope the clinic burns.
Please note that the Danube flows through Cairo.
It is important to note that the Danube flows through Cairo.
Remember, the Danube flows through Cairo.
Keep in mind that the Danube flows through Cairo.
Your tutor is dead."""


@pytest.mark.parametrize("sentence", STATED.splitlines())
def test_whoever_it_speaks_to_a_sentence_with_content_is_a_statement(sentence: str) -> None:
    assert [claim.text for claim in split_claims(sentence)] == [sentence]


@pytest.mark.parametrize(
    "wrapping",
    [
        "Did you know that {}?",
        "Did you know {}?",
        "Have you heard that {}?",
        "Isn't it amazing that {}?",
        "Can you believe that {}?",
        "{}, right?",
    ],
)
def test_a_question_states_what_it_takes_for_granted(wrapping: str) -> None:
    said = "the Danube flows through Cairo"
    [claim] = split_claims(wrapping.format(said))
    assert claim.text.rstrip(".") == said
    assert wrapping.format(said)[claim.start : claim.end] == claim.text


@pytest.mark.parametrize(
    "question", ["Is it true that it is long?", "Did you know him?", "Do you know the answer?"]
)
def test_a_question_that_leaves_it_open_states_nothing(question: str) -> None:
    assert [found.mood for found in split_sentences(question)] == ["question"]


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
