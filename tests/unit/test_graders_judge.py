"""The model as judge: verdicts in set words, no opinion where it fails, and halts when unwell."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from graders.base import Completion, Model
from graders.config import GradersConfig, JudgeConfig
from graders.errors import GraderConfigError, JudgeUnhealthyError, UngradedError
from graders.judge import JudgeGrader
from graders.model_family import same_family
from graders.prompts import FOLLOWS, Stance, read_ruling, render_ruling
from graders.registry import build_graders
from graders.types import Candidate, Source

SHEET = Source("danube", "Name: The Danube\nLength: 2850 km\nFlows into: the Black Sea")
TEXT = "The Danube flows into the Black Sea. It is 2580 km long."
CANDIDATE = Candidate("b", 0, "essay", f"Essay: {TEXT}", TEXT, SHEET)
Reply = Callable[[str], str | None]


class Judge:
    """Completes by a rule over the claim; None is a failed call. Notes the claims it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.claims = reply, list[str]()

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        assert temperature == 0 and len(seeds) == len(prompts)
        claims = [p.partition("Claim: ")[2].partition("\n\nReply")[0] for p in prompts]
        self.claims += claims
        said = [self.reply(claim) for claim in claims]
        return [Completion(text or "", None if text else "no reply") for text in said]


def reader(claim: str) -> str:
    """A judge that reads: right about every number, and about the canaries of the sheet."""
    said = claim.partition(FOLLOWS)[0]
    held = "2850" in said or not any(char.isdigit() for char in said)
    return render_ruling(Stance.SUPPORTED if held else Stance.UNSUPPORTED, "Length: 2850 km")


def judge(reply: Reply, **options: float) -> JudgeGrader:
    return JudgeGrader(JudgeConfig.model_validate({"canary_rate": 0, **options}), Judge(reply))


@pytest.mark.parametrize(
    ("reply", "stance", "quote"),
    [
        ("Quote: 2850 km\nVerdict: supported", Stance.SUPPORTED, "2850 km"),
        ("Quote: none\nVerdict: unsupported", Stance.UNSUPPORTED, ""),
        ("verdict: Cannot tell.", Stance.CANNOT_TELL, ""),
        ("<think>hm</think>\n\nQuote: “a”\n**Verdict:** supported", Stance.SUPPORTED, "a"),
        ("Verdict: supported\nVerdict: supported", Stance.SUPPORTED, ""),
    ],
)
def test_a_verdict_is_read_in_its_set_words(reply: str, stance: Stance, quote: str) -> None:
    ruling = read_ruling(reply)
    assert (ruling.stance, ruling.quote) == (stance, quote)


@pytest.mark.parametrize(
    "reply",
    ["", "supported", "Verdict: yes", "Verdict: supported or not", "The Verdict: supported",
     "Verdict: supported, unsupported or cannot tell", "Verdict: supported\nVerdict: unsupported"],
)  # fmt: skip
def test_anything_else_is_no_verdict(reply: str) -> None:
    with pytest.raises(UngradedError):
        read_ruling(reply)


async def test_the_score_is_the_share_of_supported_claims_with_the_words_that_decided() -> None:
    [grade] = await judge(reader).grade([CANDIDATE])
    assert grade.score == 0.5
    against, support = grade.evidence
    assert (against.supports, support.supports) == (False, True)
    assert against.reason == "the judge says: unsupported"
    assert CANDIDATE.text[against.start : against.end] == against.quote == "It is 2580 km long."
    assert (against.claim, against.probability) == (against.quote, None)
    assert SHEET.text[against.source_start : against.source_end] == against.against


async def test_a_claim_that_cannot_be_told_is_not_supported() -> None:
    [grade] = await judge(lambda claim: "Verdict: cannot tell").grade([CANDIDATE])
    assert grade.score == 0
    assert grade.evidence[0].reason == "the judge says: cannot tell"
    assert grade.evidence[0].against is None


async def test_a_quote_that_the_source_lacks_is_not_shown_as_evidence() -> None:
    grader = judge(lambda claim: "Quote: made up\nVerdict: unsupported")
    [grade] = await grader.grade([CANDIDATE])
    assert grade.evidence[0].against is None


@pytest.mark.parametrize("bad", [None, "I would say so.", "Verdict: probably"])
async def test_one_claim_without_a_verdict_leaves_the_text_ungraded(bad: str | None) -> None:
    def reply(claim: str) -> str | None:
        return bad if claim.startswith("It is") else "Verdict: unsupported"

    [grade] = await judge(reply).grade([CANDIDATE])
    assert grade.score is None
    assert "no verdict on 1 of 2 claims" in (grade.ungraded or "")


async def test_each_text_gets_its_own_opinion_in_order() -> None:
    no_source = replace(CANDIDATE, source=None)
    no_claim = replace(CANDIDATE, body="Hello! Thanks.")
    grades = await judge(reader).grade([no_source, CANDIDATE, no_claim])
    assert [grade.score for grade in grades] == [None, 0.5, None]
    assert [bool(grade.ungraded) for grade in grades] == [True, False, True]


async def test_without_a_model_there_is_no_opinion() -> None:
    [grade] = await JudgeGrader().grade([CANDIDATE])
    assert grade.score is None and "no model to ask" in (grade.ungraded or "")


async def test_canaries_are_asked_beside_the_claims_and_are_no_part_of_the_grade() -> None:
    grader = judge(reader, canary_rate=1)
    asked = grader.complete
    assert isinstance(asked, Judge)
    [grade] = await grader.grade([CANDIDATE])
    assert len(asked.claims) == 4
    assert grade.score == 0.5 and len(grade.evidence) == 2
    assert {kind: health.right for kind, health in grader.watch.health().items()} == {
        "known-good": 1,
        "known-bad": 1,
    }


async def test_a_judge_that_says_yes_to_everything_halts_and_stays_halted() -> None:
    grader = judge(lambda claim: "Verdict: supported", canary_rate=1)
    candidates = [replace(CANDIDATE, seed=seed) for seed in range(6)]
    with pytest.raises(JudgeUnhealthyError, match="known-bad: 0 of 6 right"):
        await grader.grade(candidates)
    asked = grader.complete
    assert isinstance(asked, Judge)
    before = len(asked.claims)
    with pytest.raises(JudgeUnhealthyError):
        await grader.grade([CANDIDATE])
    assert len(asked.claims) == before


async def test_a_judge_that_talks_instead_is_unwell_but_a_failed_call_tells_nothing() -> None:
    candidates = [replace(CANDIDATE, seed=seed) for seed in range(20)]
    with pytest.raises(JudgeUnhealthyError, match="known-good: 0 of 20"):
        await judge(lambda claim: "Well, it depends.", canary_rate=1).grade(candidates)
    silent = judge(lambda claim: None, canary_rate=1)
    grades = await silent.grade(candidates)
    assert all(grade.score is None for grade in grades)
    assert silent.watch.health()["known-good"].asked == 0


async def test_health_is_logged_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    grader = judge(reader, canary_rate=1)
    await grader.grade([CANDIDATE])
    with caplog.at_level(logging.INFO, "graders.judge"):
        await grader.aclose()
    assert "known-good: 1 of 1 right" in caplog.text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-70B-Instruct", True),
        ("/models/codellama-7b", "TinyLlama/TinyLlama-1.1B", True),
        ("Qwen/Qwen2.5-7B", "Qwen/QwQ-32B", True),
        ("mistralai/Mixtral-8x7B-v0.1", "Mistral-7B", True),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "Llama-3.3-70B", True),
        ("gpt-4o", "openai/gpt-oss-20b", True),
        ("microsoft/phi-4", "cognitivecomputations/dolphin-2.9", False),
        ("winnow-tiny", "Winnow-Tiny", True),
        ("acme/plum-7b", "acme/plum-70b", True),
        ("acme/plum-7b", "acme/pear-7b", False),
        ("Llama-3.1-8B", "Qwen2.5-7B", False),
        ("", "", True),
        ("123", "456", False),
    ],
)
def test_a_family_is_known_by_its_name(one: str, other: str, same: bool) -> None:
    assert same_family(one, other) is same is same_family(other, one)


@pytest.mark.parametrize(
    ("judge_model", "writer", "flagged"),
    [
        (None, "winnow-tiny", True),
        ("Llama-3.1-70B", "Llama-3.1-8B", True),
        ("Qwen2.5-72B", "Llama-3.1-8B", False),
        ("Llama-3.1-70B", "", False),
    ],
)
async def test_a_judge_of_the_writers_family_is_flagged_and_warned_of_once(
    judge_model: str | None, writer: str, flagged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    grader = JudgeGrader(JudgeConfig(canary_rate=0), Judge(reader), judge_model)
    candidate = replace(CANDIDATE, model=writer)
    for grade in [*await grader.grade([candidate] * 2), *await grader.grade([candidate])]:
        flags = [item for item in grade.evidence if "own family" in item.reason]
        assert len(flags) == flagged and all(item.supports for item in flags)
    assert caplog.text.count("own family") == flagged


async def test_the_judge_can_be_another_configured_model() -> None:
    judge_, writer = Judge(reader), Judge(lambda claim: None)
    asked: list[str] = []

    def models(name: str) -> Model:
        asked.append(name)
        return Model("org/big", judge_)

    config = GradersConfig.model_validate({"judge": {"model": "big", "canary_rate": 0}})
    assert config.models_of(["form", "judge"]) == ("big",)
    assert config.models_of(["form"]) == ()
    [grader] = build_graders(config, ["judge"], writer, models)
    assert isinstance(grader, JudgeGrader) and grader.model == "org/big"
    await grader.grade([CANDIDATE])
    assert asked == ["big"] and len(judge_.claims) == 2 and not writer.claims
    with pytest.raises(GraderConfigError, match="'big'"):
        build_graders(config, ["judge"], writer)
