"""With an entailment model: prose and JSON are read, the worst claims come first."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from overlap_encoder import build_overlap_encoder

from graders.base import Completion
from graders.cases import kind_of
from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.entailment.evidence import offending_words
from graders.entailment.model import TokenSupport
from graders.entailment.pooling import FEATURES, LogisticPooling, save_pooling
from graders.errors import GraderConfigError
from graders.gate import Gate
from graders.panel import Panel
from graders.types import Candidate, Grade, Source

PROSE = "The Danube is a river. It rises in Germany and flows into the Black Sea. It is long."
SHEET = "Name: The Danube\nKind: river\nLength: 2850 km\nFlows into: the Black Sea"
JSON = '{\n  "name": "The Danube",\n  "kind": "river",\n  "flows into": "Black Sea"\n}'
PROBLEM = "Ann has 3 pens and buys 4 more. How many pens does Ann have?"
SHOP = "The shop was founded in 1999 by Ann Lee. It sells shoes to farmers. "
PASSAGES = (
    "Question: teresa name meaning\n\npassage 1:Greek Meaning: Teresa is a Greek baby name. "
    "In Greek its meaning is: Reap; from Therasia. American Meaning: The name is American.\n\n"
    "passage 2:Latin Meaning: Teresa is a Latin baby name. In Latin its meaning is: Harvest."
)


def candidate(text: str, source: str = PROSE, body: str | None = None) -> Candidate:
    return Candidate("b", 0, "essay", text, body or text, Source("s", source))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_overlap_encoder(tmp_path_factory.mktemp("overlap"))


@pytest.fixture(scope="module")
def grader(folder: Path) -> ConsistencyGrader:
    return ConsistencyGrader(ConsistencyConfig(model=str(folder)))


async def grade(grader: ConsistencyGrader, text: str, source: str = PROSE) -> Grade:
    [graded] = await grader.grade([candidate(text, source)])
    return graded


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (PROSE, "prose"),
        (SHEET, "labelled"),
        (JSON, "json"),
        (PROBLEM, "problem"),
        ("[Applause] Thank you: it is 5.", "prose"),
        ("Ann: Is it 5?\nBob: Yes.\nAnn: Or 7?\nBob: No.\nCleo: It is 5, as Bob says.", "prose"),
        ("The town has 900 houses by the river. " * 40 + "Who lives there?", "prose"),
        ("The town has 900 houses by the river. " * 40 + "How many houses has it?", "prose"),
        (SHOP + "Will it survive?", "prose"),
        (SHOP + "How long ago was that?", "prose"),
        ("Does it hurt? It takes 5 days. How it works is not known.", "prose"),
        (PASSAGES, "prose"),
        ("Problem: Ann has 3 pens. Find the sum of 3 and 4.", "problem"),
        ("Ann has 3 pens and buys 4 more. Calculate the total number of pens.", "problem"),
        ("A bag costs $3 and a pen $4. What is the total cost?", "problem"),
        ("Notes: " + "it was long. " * 30 + "\nName: Ada\nBorn: 1815\nCity: London", "prose"),
    ],
)
def test_a_source_is_told_by_its_shape(source: str, kind: str) -> None:
    assert kind_of(source) == kind


async def test_the_score_is_the_probability_that_every_claim_is_supported(
    grader: ConsistencyGrader,
) -> None:
    good = await grade(grader, "The Danube is a river. It rises in Germany.")
    bad = await grade(grader, "The Danube is a river. It rises in fish.")
    assert (good.score or 0) > 0.9
    assert bad.score is not None and bad.score < 0.1


async def test_the_worst_claim_comes_first_with_its_window_and_its_offending_words(
    grader: ConsistencyGrader,
) -> None:
    text = "The Danube is a river. It rises in fish. It crosses fish and fish."
    result = await grade(grader, text)
    unlikely = [item for item in result.evidence if not item.supports]
    quotes = [text[item.start : item.end] for item in unlikely]
    assert quotes == [item.quote for item in unlikely] == ["crosses fish", "fish"]
    assert "0.00 likely supported" in unlikely[0].reason
    assert "It crosses fish and fish." in unlikely[0].reason
    for item in result.evidence:
        assert item.against and PROSE[item.source_start : item.source_end] == item.against


async def test_evidence_names_the_claim_and_how_likely_it_is_supported(
    grader: ConsistencyGrader,
) -> None:
    claims = ["The Danube is a river.", "It rises in fish."]
    bad, good = (await grade(grader, " ".join(claims))).evidence
    assert (bad.quote, bad.claim, good.claim) == ("fish", claims[1], claims[0])
    assert bad.probability is not None and bad.reason.startswith(f"{bad.probability:.2f} likely")
    assert good.probability is not None and bad.probability < 0.1 < 0.9 < good.probability


async def test_offsets_count_from_the_start_of_the_whole_text(grader: ConsistencyGrader) -> None:
    text = "Thesis: it is long.\nEssay: It rises in fish."
    [result] = await grader.grade([candidate(text, body=text[20:])])
    worst = result.evidence[0]
    assert text[worst.start : worst.end] == worst.quote == "fish"


async def test_what_the_rules_find_is_evidence_but_no_refusal(grader: ConsistencyGrader) -> None:
    source = PROSE + " The mouth lies in Romania."
    result = await grade(grader, "The Danube is not a river. It rises in Austria.", source)
    assert any("Austria" in item.quote for item in result.evidence if not item.supports)
    liked = await grade(grader, "The Black Danube rises in Germany.", source)
    assert (liked.score or 0) > 0.5


async def test_json_sources_are_read_and_quoted_by_their_offsets(grader: ConsistencyGrader) -> None:
    result = await grade(grader, "The Danube is a river in fish.", JSON)
    assert result.score is not None and result.score < 0.5
    worst = result.evidence[0]
    assert worst.against and JSON[worst.source_start : worst.source_end] == worst.against


@pytest.mark.parametrize(
    ("text", "source", "reason"),
    [
        ("Le fleuve traverse la ville et se jette dans la mer.", PROSE, "the text reads as French"),
        ("It is long.", "Der Fluss ist lang und mündet in das Meer.", "source reads as German"),
        ("It is long. El río nace en el sur y es muy largo.", PROSE, "the text reads as Spanish"),
        ("Good question. What is it?", PROSE, "no checkable claim"),
        ("It is long.", "   ", "no source"),
        ("It is long.", "It is long. " * 30_000, "split it"),
    ],
)
async def test_what_can_t_be_judged_is_left_ungraded_with_the_reason(
    grader: ConsistencyGrader, text: str, source: str, reason: str
) -> None:
    result = await grade(grader, text, source)
    assert result.score is None
    assert reason in (result.ungraded or "")


async def test_a_model_of_any_language_is_not_kept_from_texts(folder: Path) -> None:
    grader = ConsistencyGrader(ConsistencyConfig(model=str(folder), language=None))
    assert (await grade(grader, "Le fleuve traverse la ville et la mer.")).score is not None


async def test_a_model_that_fails_leaves_the_text_ungraded_and_never_low(tmp_path: Path) -> None:
    broken = build_overlap_encoder(tmp_path, poison=True)
    grader = ConsistencyGrader(ConsistencyConfig(model=str(broken)))
    text = "It rises in fish."
    prose, sheet = await grader.grade([candidate(text), candidate("It is 9 km long.", SHEET)])
    assert prose.score is None and "no finite score" in (prose.ungraded or "")
    assert sheet.score == 0.0


async def test_a_model_that_is_missing_keeps_the_panel_from_starting(tmp_path: Path) -> None:
    grader = ConsistencyGrader(ConsistencyConfig(model=str(tmp_path / "gone")))
    with pytest.raises(GraderConfigError, match="gone"):
        await Panel([grader], Gate({}, ("consistency",))).start()


class Scribe:
    """A model that is asked, and that remembers what about."""

    def __init__(self, reply: str = "Nothing") -> None:
        self.prompts = list[str]()
        self.reply = reply

    async def __call__(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[Completion]:
        self.prompts += prompts
        return [Completion(self.reply) for _ in prompts]


async def test_labelled_lines_stay_with_the_rules_and_the_opinion(folder: Path) -> None:
    scribe = Scribe()
    grader = ConsistencyGrader(ConsistencyConfig(model=str(folder)), scribe)
    sheet, prose = await grader.grade(
        [candidate("It is 2850 km long.", SHEET), candidate("It is long.")]
    )
    assert (sheet.score, len(scribe.prompts)) == (1.0, 1)
    assert "Labels: Name, Kind" in scribe.prompts[0]
    assert prose.score is not None and prose.score > 0.5


@pytest.mark.parametrize("entail", [False, True])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "It nourishes wide plains.",
        "The Danube is home to many crocodiles and pirates. It dried up after a terrible war.",
        "The Danube flows into the Black Sea and smells of sulphur.",
    ],
)
async def test_labelled_lines_are_read_where_no_model_is_asked_or_it_is_configured(
    folder: Path, text: str, entail: bool, asked: bool
) -> None:
    config = ConsistencyConfig(model=str(folder), entail_labelled=entail)
    result = await grade(ConsistencyGrader(config, Scribe() if asked else None), text, SHEET)
    assert result.score == pytest.approx(1.0 if asked and not entail else 0.0, abs=0.01)


PLANS = "Our Basic plan costs $20 a month and has 5 seats. How much does an extra seat cost?"


@pytest.mark.parametrize("asked", [False, True])
async def test_a_source_that_ends_by_asking_is_read_where_no_model_is_asked(
    folder: Path, asked: bool
) -> None:
    assert kind_of(PLANS) == "problem"
    scribe = Scribe("Answer: 5") if asked else None
    grader = ConsistencyGrader(ConsistencyConfig(model=str(folder)), scribe)
    good = await grade(grader, "Our Basic plan has 5 seats.", PLANS)
    bad = await grade(grader, "The plan is free for students. Our plan has 5 seats.", PLANS)
    assert (good.score or 0) > 0.9
    assert bad.score == pytest.approx(1.0 if asked else 0.0, abs=0.01)


async def test_what_the_rules_recompute_of_a_problem_is_not_read(
    grader: ConsistencyGrader,
) -> None:
    text = "Ann has 3 pens and buys 4 more. Together it comes to 3 + 4 = 7. The sum hence is 7."
    right = await grade(grader, text, PROBLEM)
    assert (right.score or 0) > 0.9
    assert [item.quote for item in right.evidence][1:] == [
        "Together it comes to 3 + 4 = 7.", "The sum hence is 7."
    ]  # fmt: skip
    alone = await grade(grader, "Together it comes to 3 + 4 = 7.", PROBLEM)
    assert alone.score == 1.0


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("Is it long?\nTutor: Yes.", True),
        ("Is it long?\nTutor: No.", False),
        ("Is it in fish?\nTutor: Yes, that is right.", False),
        ("Is it in fish?\nTutor: No.", True),
    ],
)
async def test_a_bare_answer_is_read_as_what_it_makes_of_the_question(
    grader: ConsistencyGrader, said: str, passes: bool
) -> None:
    text = f"Student: {said} The Danube is a river."
    result = await grade(grader, text)
    assert result.score is not None and (result.score > 0.5) is passes
    answer = next(item for item in result.evidence if item.quote in said)
    assert text[answer.start : answer.end] == answer.quote


async def test_what_rules_object_to_in_a_fact_sheet_decides_without_the_entailment_model(
    grader: ConsistencyGrader,
) -> None:
    result = await grade(grader, "The Danube is a river. It is 2580 km long.", SHEET)
    assert result.score == 0.25


async def test_a_learned_pooling_beside_the_model_is_used(tmp_path: Path) -> None:
    build_overlap_encoder(tmp_path)
    ones, zeros = (1.0,) * len(FEATURES), (0.0,) * len(FEATURES)
    save_pooling(LogisticPooling(zeros, ones, zeros, -3.0), tmp_path)
    grader = ConsistencyGrader(ConsistencyConfig(model=str(tmp_path)))
    assert (await grade(grader, "It is long.")).score == pytest.approx(0.0474, abs=0.001)


async def test_features_are_what_pooling_learns_from(grader: ConsistencyGrader) -> None:
    known, none = await grader.features([candidate("It rises in 1856."), candidate("Why?")])
    assert known is not None and len(known) == len(FEATURES)
    assert known[FEATURES.index("numbers")] == 1
    assert none is None


async def test_a_finished_sentence_is_judged_as_it_will_be_in_the_whole_text(
    grader: ConsistencyGrader,
) -> None:
    support = await grader.claim_support(PROSE, "It rises in fish.", "The Danube is a river.")
    assert support is not None and support.probability < 0.1
    rules = ConsistencyGrader(ConsistencyConfig(model=None))
    assert await rules.claim_support(PROSE, "It rises in fish.") is None


def test_the_run_of_words_with_the_most_doubt_is_quoted_whole() -> None:
    claim = "The mid-sized bridge, opened in 1856, is red."
    low = [("sized", 0.1), ("opened", 0.4), ("in", 0.3), ("1856", 0.2)]
    tokens = [
        TokenSupport(claim.index(word), claim.index(word) + len(word), chance)
        for word, chance in low
    ]
    found = offending_words(claim, tokens)
    assert found is not None and found.quote == "opened in 1856"
    assert claim[found.start :].startswith(found.quote)
    assert offending_words(claim, None) is None
