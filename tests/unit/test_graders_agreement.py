"""Closed book: claims held against the model's other answers to the same prompt."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.agreement import AgreementGrader, cluster_sizes, lexical_support, semantic_entropy
from graders.base import Completion
from graders.config import AgreementConfig
from graders.entailment.model import SHIPPED, Pair, Support, weights_of
from graders.errors import UngradedError
from graders.types import Candidate, Grade

PROMPT = "Who was Ada Lovelace?"
TEXT = "Ada Lovelace was born in London in 1815. She died in Paris in 1852."
CANDIDATE = Candidate("b", 0, "answer", f"Answer: {TEXT}", TEXT, prompt=PROMPT, seed=7)
RIGHT = "Ada Lovelace, born in London in 1815, was a mathematician. She died in London in 1852."
SHORT = Candidate("b", 0, "", "Paris", "Paris", question="What is the capital of France?")


class Writer:
    """Writes the given texts, one after the other; None is a failed call."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.texts = list(texts)
        self.prompts: list[str] = []
        self.seeds: list[int] = []
        self.temperature = 0.0

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        self.prompts += prompts
        self.seeds += seeds
        self.temperature = temperature
        texts = [self.texts[n % len(self.texts)] for n in range(len(prompts))]
        return [Completion(text or "", None if text else "timed out") for text in texts]


class Encoder:
    """A cross-encoder that believes a claim when the premise holds all its words."""

    name = "words"

    def __init__(self) -> None:
        self.pairs: list[Pair] = []

    def support(self, pairs: Sequence[Pair]) -> list[Support]:
        self.pairs += pairs
        if any("unreadable" in pair.premise for pair in pairs):
            raise UngradedError("the cross-encoder failed")
        held = [set(pair.claim.split()) <= set(pair.premise.split()) for pair in pairs]
        return [Support(0.9 if holds else 0.1) for holds in held]


async def grade(
    candidate: Candidate, texts: Sequence[str | None], encoder: Encoder | None = None
) -> Grade:
    config = AgreementConfig(model="words", samples=len(texts))
    [graded] = await AgreementGrader(config, Writer(texts), encoder).grade([candidate])
    return graded


def test_the_version_tells_the_weights_that_it_reads_with() -> None:
    shipped = AgreementGrader().version
    assert shipped == f"3-{weights_of(SHIPPED)}"
    assert AgreementGrader(AgreementConfig(model="words")).version == "3"
    assert AgreementGrader(AgreementConfig(model="some/encoder")).version == "3-some/encoder"


async def test_the_weakest_claim_decides_and_names_what_speaks_against_it() -> None:
    graded = await grade(CANDIDATE, [RIGHT] * 3 + [TEXT])
    worst, best = graded.evidence
    assert graded.score is not None and graded.score < 1
    assert worst.quote == "She died in Paris in 1852."
    assert worst.against == "She died in London in 1852."
    assert CANDIDATE.text[worst.start : worst.end] == worst.quote
    assert best.quote.startswith("Ada") and best.supports
    assert "4 of 4 new answers support this (mean 1.00)" in best.reason
    assert (best.claim, best.probability) == (best.quote, None)


async def test_a_number_that_no_other_answer_gives_is_unsupported() -> None:
    graded = await grade(CANDIDATE, [TEXT.replace("1852", "1861")] * 3)
    assert graded.score == 0
    assert not graded.evidence[0].supports
    assert "0 of 3" in graded.evidence[0].reason


async def test_a_text_that_the_model_repeats_scores_1() -> None:
    assert (await grade(CANDIDATE, [TEXT] * 3)).score == 1


async def test_a_cross_encoder_reads_each_claim_against_each_answer_with_its_context() -> None:
    encoder = Encoder()
    graded = await grade(CANDIDATE, [TEXT, TEXT.replace("Paris", "London")], encoder)
    assert [(pair.claim, pair.context) for pair in encoder.pairs[::2]] == [
        ("Ada Lovelace was born in London in 1815.", ""),
        ("She died in Paris in 1852.", "Ada Lovelace was born in London in 1815."),
    ]
    assert graded.score == pytest.approx(0.5)
    assert graded.evidence[0].against == "She died in London in 1852."
    assert graded.evidence[0].claim == graded.evidence[0].quote
    assert graded.evidence[0].probability == graded.score


async def test_a_cross_encoder_that_fails_leaves_the_text_ungraded() -> None:
    graded = await grade(CANDIDATE, ["This is unreadable."] * 2, Encoder())
    assert (graded.score, graded.ungraded) == (None, "the cross-encoder failed")


async def test_the_prompt_is_asked_again_with_seeds_of_their_own() -> None:
    writer = Writer([TEXT])
    grader = AgreementGrader(AgreementConfig(model="words", samples=4, temperature=0.9), writer)
    await grader.grade([CANDIDATE, SHORT])
    assert writer.prompts == [PROMPT] * 4 + [SHORT.question] * 4
    assert writer.temperature == 0.9
    assert CANDIDATE.seed not in writer.seeds[:4] and len(set(writer.seeds[:4])) == 4


@pytest.mark.parametrize(
    ("texts", "graded"),
    [
        ([TEXT, TEXT, TEXT, None, None], True),
        ([TEXT, TEXT, None, None, None], False),
        ([TEXT, TEXT, None, None], False),
        ([None] * 3, False),
    ],
)
async def test_most_of_the_new_answers_must_come(texts: list[str | None], graded: bool) -> None:
    found = await grade(CANDIDATE, texts)
    assert (found.score is not None) is graded
    if not graded:
        assert "new answers came: timed out" in (found.ungraded or "")


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (replace(CANDIDATE, prompt=None), "neither a prompt nor a question"),
        (replace(CANDIDATE, body="What do you think? " * 5), "no checkable claim"),
        (replace(CANDIDATE, body="It has 5 moons. " * 300), "at most 200"),
    ],
)
async def test_what_cannot_be_asked_again_is_ungraded(candidate: Candidate, reason: str) -> None:
    graded = await grade(candidate, [TEXT] * 3)
    assert graded.score is None and reason in (graded.ungraded or "")


async def test_without_a_model_there_is_no_opinion() -> None:
    [graded] = await AgreementGrader(AgreementConfig(model="words")).grade([CANDIDATE])
    assert graded.score is None and "no model" in (graded.ungraded or "")


@pytest.mark.parametrize(
    ("answers", "share", "entropy"),
    [
        (["Paris", "paris.", "Answer: Paris", "It is Paris."], 1.0, 0.0),
        (["Paris", "Paris", "Lyon", "Lyon"], 0.5, log(2)),
        (["Lyon", "Lyon", "Lyon", "Not Paris"], 0.0, 0.56),
    ],
)
async def test_a_short_answer_scores_the_share_that_means_the_same(
    answers: list[str], share: float, entropy: float
) -> None:
    graded = await grade(SHORT, answers)
    [evidence] = graded.evidence
    assert graded.score == share
    assert f"semantic entropy {entropy:.2f}" in evidence.reason
    assert evidence.supports is (share >= 0.5)
    assert (evidence.claim, evidence.probability) == (evidence.quote, share)


@pytest.mark.parametrize(
    ("one", "other", "clusters"),
    [
        ("500 people", "1,500 people", 2),
        ("5 km", "It is 3.5 km long.", 2),
        ("5 km", "It is 5 km long.", 1),
        ("five hundred people", "one thousand five hundred people", 2),
        ("A", "B, a dog", 2),
        ("A", "The answer is A.", 1),
        ("York", "New York", 2),
        ("York", "It is New York.", 2),
        ("York", "It is York, not far from Leeds", 2),
        ("Guinea", "Guinea-Bissau", 2),
        ("Washington", "Washington Irving", 2),
        ("Paris", "In Paris, France.", 1),
        ("Shakespeare", "William Shakespeare wrote it.", 1),
        ("Everest", "It is Mount Everest.", 1),
        ("Nile", "It is the Nile River.", 1),
        ("the Black Sea", "It flows into the Black Sea.", 1),
    ],
)
def test_an_answer_that_stands_in_another_is_the_same_only_as_a_whole_name(
    one: str, other: str, clusters: int
) -> None:
    assert len(cluster_sizes([one, other])) == len(cluster_sizes([other, one])) == clusters


@pytest.mark.parametrize("said", ["Paris is the capital of France.", "Paris is France's capital"])
async def test_a_short_sentence_is_read_as_a_claim_however_it_is_put(said: str) -> None:
    encoder = Encoder()
    answers = ["France's capital of The is Paris. France.", "Paris is the capital of France."]
    graded = await grade(replace(SHORT, text=said, body=said), answers, encoder)
    assert {pair.claim for pair in encoder.pairs} == {said}
    assert graded.score is not None and graded.score > 0


@pytest.mark.parametrize(
    "said", ["Paris.", "The Black Sea.", "Answer: It is Paris.", "In old Paris"]
)
async def test_what_merely_names_an_answer_is_counted_by_meaning(said: str) -> None:
    encoder = Encoder()
    graded = await grade(replace(SHORT, text=said, body=said), [said] * 2, encoder)
    assert graded.score == 1 and not encoder.pairs


async def test_the_answer_of_a_long_reply_is_the_one_that_it_marks() -> None:
    row = replace(SHORT, text="Answer: 7 pens", body="Answer: 7 pens")
    replies = ["First 7 pens, then 3 + 5 = 8 pens.\nAnswer: 8 pens", "So it is \\boxed{7}", "7"]
    graded = await grade(row, replies)
    assert graded.score == pytest.approx(2 / 3)
    [evidence] = graded.evidence
    assert (evidence.quote, evidence.against) == ("7 pens", "8 pens")
    assert row.text[evidence.start : evidence.end] == "7 pens"


async def test_final_answers_are_compared_in_value() -> None:
    text = "The train needs 2 hours.\nAnswer: 1,200 km"
    candidate = replace(CANDIDATE, text=text, body="The train needs 2 hours.", answer="1,200 km")
    graded = await grade(
        candidate, ["So it is.\nAnswer: 1200", "Answer: 1200.00 km", "Answer: 900"]
    )
    assert graded.score == pytest.approx(2 / 3)
    assert graded.evidence[0].against == "900"


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=10))
def test_entropy_lies_between_one_meaning_and_all_alike(sizes: list[int]) -> None:
    assert -1e-9 <= semantic_entropy(sizes) <= log(len(sizes)) + 1e-9


@settings(deadline=None)
@given(st.lists(st.sampled_from(["4", "4.0", "Paris", "Lyon", "7"]), min_size=1, max_size=8))
def test_every_answer_is_in_one_cluster(answers: list[str]) -> None:
    sizes = cluster_sizes(answers)
    assert sum(sizes) == len(answers)
    meanings = {"4" if answer == "4.0" else answer for answer in answers}
    assert len(sizes) == len(meanings)


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_lexical_support_is_a_share(claim: str, answer: str) -> None:
    assert 0 <= lexical_support(claim, answer) <= 1
