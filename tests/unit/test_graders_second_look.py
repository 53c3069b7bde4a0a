"""What the writing model said of a fact sheet's text is looked at by the entailment model."""

import re
from collections.abc import Sequence

import pytest

from graders.base import Complete, Completion
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.entailment.model import Pair, Support
from graders.errors import UngradedError
from graders.prompts import UNCLEAR
from graders.second_look import DOUBTED, STANDS, SURE
from graders.types import Candidate, Grade, Source

SHEET = Source("s", "Name: The Danube\nKind: river\nLength: 2850 km\nFlows into: the Black Sea")
LENGTH, MOUTH = "The Danube is 2850 km long.", "It flows into the Black Sea."


class Encoder:
    """Finds each claim as likely as it was told to, others certain; None breaks it."""

    name, room = "stub", 256

    def __init__(self, **known: float | None) -> None:
        self.known, self.read = known, list[str]()

    def pieces(self, text: str) -> list[tuple[int, int]]:
        return [(word.start(), word.end()) for word in re.finditer(r"\S+", text)]

    def support(self, pairs: Sequence[Pair]) -> list[Support]:
        self.read += [pair.claim for pair in pairs]
        found = [self.known.get(pair.claim.split()[0].lower(), 0.99) for pair in pairs]
        if None in found:
            raise UngradedError("the model is broken")
        return [Support(p) for p in found if p is not None]


def model(**replies: str) -> Complete:
    """Says `replies` of the claim that begins with the word, and what is so of the others."""

    async def complete(prompts: Sequence[str], **_: object) -> list[Completion]:
        claims = [prompt.splitlines()[-1].rpartition(": ")[2] for prompt in prompts]
        return [
            Completion(replies.get(claim.split()[0].lower(), "Name: The Danube"))
            for claim in claims
        ]

    return complete


async def grade(encoder: Encoder, *sentences: str, **replies: str) -> Grade:
    text = " ".join(sentences)
    config = ConsistencyConfig(language=None)
    grader = ConsistencyGrader(config, model(**replies), encoder)
    [found] = await grader.grade([Candidate("b", 0, "essay", text, text, SHEET)])
    return found


@pytest.mark.parametrize(("probability", "passes"), [(SURE, True), (SURE - 0.01, False)])
async def test_an_unclear_sentence_stands_when_the_entailment_model_is_sure(
    probability: float, passes: bool
) -> None:
    found = await grade(Encoder(it=probability), LENGTH, MOUTH, it=UNCLEAR)
    assert found.score is not None and (found.score >= 0.5) is passes
    assert any(e.reason == STANDS and e.supports for e in found.evidence) is passes


async def test_two_unclear_sentences_fall_however_sure_the_entailment_model_is() -> None:
    found = await grade(Encoder(), LENGTH, MOUTH, the=UNCLEAR, it=UNCLEAR)
    assert found.score == 0.0


async def test_an_unclear_sentence_that_was_compared_with_nothing_falls_all_the_same() -> None:
    found = await grade(Encoder(), LENGTH, "It was loved by many.", it=UNCLEAR)
    assert found.score is not None and found.score < 0.5


async def test_a_sentence_that_is_hardly_possible_falls_though_the_model_agrees() -> None:
    found = await grade(Encoder(it=DOUBTED - 0.01), LENGTH, MOUTH)
    assert found.score is not None and found.score < 0.5
    assert "0.09 likely supported" in found.evidence[0].reason
    assert (await grade(Encoder(it=DOUBTED), LENGTH, MOUTH)).score == 1.0


async def test_what_is_refused_anyway_is_not_read() -> None:
    encoder = Encoder()
    found = await grade(encoder, "The Danube is 9999 km long.", MOUTH, it=UNCLEAR)
    assert found.score is not None and found.score < 0.5
    assert encoder.read == []


async def test_a_broken_entailment_model_leaves_what_would_pass_ungraded() -> None:
    found = await grade(Encoder(it=None), LENGTH, MOUTH)
    assert found.score is None and found.ungraded == "the model is broken"
    unclear = await grade(Encoder(it=None), LENGTH, MOUTH, the=UNCLEAR)
    assert unclear.score is not None and unclear.score < 0.5
