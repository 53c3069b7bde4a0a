"""Grading rows: what a row may hold, the shape that comes back, and novelty in file order."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from graders import row_grader
from graders.config import GradersConfig
from graders.errors import GraderConfigError, IndexUnavailableError
from graders.novelty import Fingerprint, MemoryIndex, Neighbour
from graders.row_grader import RowGrader, grade_rows
from graders.rows import ParsedText, candidate_from_row, graders_for
from graders.types import Candidate, Grade

TEXTS = [
    "The Danube rises in the Black Forest and flows east through ten countries to the sea.",
    "Copper is a soft metal that conducts heat and electricity better than almost any other.",
    "Saturn has bright rings made of ice and rock, and more moons than any other planet.",
]


@dataclass(frozen=True)
class Parts:
    fields: Mapping[str, str]
    body: str
    question: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Note:
    """A recipe whose texts read `Note: …`."""

    graders: tuple[str, ...] = ("form", "novelty")
    novelty_field: str = "note"

    def parse(self, text: str) -> ParsedText:
        if not text.startswith("Note: "):
            raise ValueError("a note begins with 'Note:'")
        return Parts({"note": text[6:]}, text[6:])


def row(n: int, text: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"r{n}", "text": text, **fields}


async def grade(rows: list[dict[str, Any]], batch_size: int = 2, **options: Any) -> list[Any]:
    grader = RowGrader(GradersConfig(), **options)
    try:
        return [result async for result in grade_rows(rows, grader, batch_size)]
    finally:
        await grader.aclose()


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        ({"text": "x"}, "'id'"),
        ({"id": True, "text": "x"}, "'id'"),
        ({"id": "a"}, "'text'"),
        ({"id": "a", "text": 7}, "'text'"),
        ({"id": "a", "text": "x", "source": ["y"]}, "'source'"),
        ({"id": "a", "text": "x", "gold": []}, "'gold'"),
        ({"id": "a", "text": "x", "sauce": "y"}, "'sauce'"),
        (["a", "x"], "not an object"),
    ],
)
def test_a_bad_row_is_named_with_its_field(bad: Any, names: str) -> None:
    with pytest.raises(GraderConfigError, match=rf"^row 5: .*{names}"):
        candidate_from_row(bad, 4)


async def test_an_unknown_recipe_is_named_with_those_that_exist() -> None:
    with pytest.raises(GraderConfigError, match=r"row 1: unknown recipe .poem.*note"):
        await grade([row(0, TEXTS[0], recipe="poem")], recipes={"note": Note()})


def test_the_default_graders_follow_from_what_the_row_holds() -> None:
    def chosen(**fields: Any) -> tuple[str, ...]:
        return graders_for(candidate_from_row(row(0, "x", **fields), 0))

    assert chosen() == ("form", "novelty")
    assert chosen(source="a fact", metadata={"any": 1}) == ("form", "consistency", "novelty")
    assert chosen(gold=12) == chosen(question="q?") == ("form", "answers", "novelty")
    assert chosen(source=" ", gold=None) == ("form", "novelty")
    assert chosen(source="a fact", question="q?") == ("form", "consistency", "novelty")
    assert chosen(source="s", question="q?", gold="1") == (
        "form", "consistency", "answers", "novelty"
    )  # fmt: skip


def test_a_recipe_narrows_the_default_but_a_gold_answer_always_counts() -> None:
    candidate = candidate_from_row(row(0, "Note: x", source="s", gold="1"), 0)
    assert graders_for(candidate, Note()) == ("form", "answers", "novelty")


def test_a_recipe_may_ask_for_answers_beside_a_source() -> None:
    candidate = candidate_from_row(row(0, "Note: x", source="s", question="q?"), 0)
    asked = ("form", "answers", "novelty")
    assert graders_for(candidate, Note(graders=asked)) == asked


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Where does the Danube flow into?", "The Danube flows into the Black Sea."),
        ("How long is the Danube?", "The Danube is 2850 km long."),
    ],
)
async def test_a_question_about_a_source_is_held_against_the_source(
    question: str, text: str
) -> None:
    source = "The Danube is 2850 km long. The Danube flows into the Black Sea."
    (result,) = await grade([row(0, text, source=source, question=question)])
    assert result["verdict"] == "accepted", result["reasons"]
    assert [g["grader"] for g in result["grades"]] == ["form", "consistency", "novelty"]


@pytest.mark.parametrize(
    ("gold", "text", "verdict"),
    [
        ("x=5, y=6", "x=7, y=6", "rejected"),
        ("5", "5 hours 30 minutes", "rejected"),
        ("5", "it is not 5", "rejected"),
        ("50%", "0.005", "rejected"),
        ("5", "Answer: 5\nWait, I forgot two pens. The answer is 7.", "rejected"),
        ("7", "Answer: 5\nWait, I forgot two pens. The answer is 7.", "accepted"),
        ("25", "25 cents", "accepted"),
        ("25", "Answer: 25 cents", "accepted"),
        ("5000000", "5 million", "accepted"),
        ("5000000", "Answer: 5 million", "accepted"),
    ],
)
async def test_a_gold_answer_decides_over_a_row(gold: str, text: str, verdict: str) -> None:
    (result,) = await grade([row(0, text, question="How many cents are it?", gold=gold)])
    assert result["verdict"] == verdict, result


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Ann has 12 pens and gives away 5. How many has she?", "A lot.\nAnswer: 9"),
        ("What is 17 * 23?", "Answer: 12"),
        ("Who wrote Hamlet?", "Answer: Shakespeare"),
    ],
)
async def test_a_row_that_nobody_can_check_is_not_accepted(question: str, text: str) -> None:
    (result,) = await grade([row(0, text, question=question)])
    assert result["verdict"] == "rejected"
    assert result["reasons"] == [
        "answers: no model to solve the problem again: name one, or give the gold answer"
    ]


async def test_results_come_in_order_with_the_documented_shape() -> None:
    rows = [row(0, TEXTS[0]), row(1, ""), row(2, TEXTS[1]), row(3, TEXTS[2])]
    results = await grade(rows)
    assert [result["id"] for result in results] == ["r0", "r1", "r2", "r3"]
    assert [result["verdict"] for result in results] == [
        "accepted", "rejected", "accepted", "accepted"
    ]  # fmt: skip
    assert all(list(r) == ["id", "verdict", "grades", "reasons"] for r in results)
    assert results[1]["reasons"] == ["form: the text is empty"]
    assert [g["grader"] for g in results[1]["grades"]] == ["form"]
    first = results[0]["grades"][0]
    assert first == {
        "grader": "form",
        "version": "1",
        "score": 1.0,
        "passed": True,
        "evidence": [],
    }


@pytest.mark.parametrize("batch_size", [1, 3, 50])
async def test_a_row_that_repeats_an_accepted_one_is_not_new(batch_size: int) -> None:
    rows = [row(0, TEXTS[0]), row(1, TEXTS[1]), row(2, TEXTS[0].upper())]
    results = await grade(rows, batch_size)
    assert [result["verdict"] for result in results] == ["accepted", "accepted", "rejected"]
    assert results[2]["reasons"] == ["novelty: 100% alike to r0"]


async def test_a_rejected_row_does_not_count_as_admitted() -> None:
    rows = [row(0, "  "), row(1, TEXTS[0] + "\ufffd"), row(2, TEXTS[0])]
    assert [r["verdict"] for r in await grade(rows)] == ["rejected", "rejected", "accepted"]


async def test_a_protected_text_is_refused_even_inside_a_longer_one() -> None:
    (result,) = await grade([row(0, f"{TEXTS[1]} {TEXTS[0]} {TEXTS[2]}")], protect=[TEXTS[0]])
    assert result["verdict"] == "rejected"
    evidence = result["grades"][-1]["evidence"][0]
    assert "protected:0" in evidence["reason"]
    assert evidence["quote"] == TEXTS[0].rstrip(".")


async def test_a_named_grader_that_the_row_cannot_support_leaves_it_ungraded() -> None:
    results = await grade([row(0, TEXTS[0])], graders=["consistency", "form", "answers"])
    assert results[0]["verdict"] == "rejected"
    assert [(g["grader"], g["score"], g["passed"]) for g in results[0]["grades"]] == [
        ("consistency", None, None), ("form", 1.0, True), ("answers", None, None)
    ]  # fmt: skip
    assert results[0]["reasons"][0] == "consistency: there is no source to hold the text against"


async def test_only_the_named_graders_speak() -> None:
    (result,) = await grade([row(0, "", source="s")], graders=["novelty"])
    assert [g["grader"] for g in result["grades"]] == ["novelty"]


def test_an_unknown_or_empty_selection_is_refused() -> None:
    with pytest.raises(GraderConfigError, match="unknown grader 'forms'"):
        RowGrader(GradersConfig(), graders=["forms"])
    with pytest.raises(GraderConfigError, match="no grader is named"):
        RowGrader(GradersConfig(), graders=[])


async def test_a_recipe_parses_the_row_and_says_which_part_must_be_new() -> None:
    rows = [
        row(0, "Note: " + TEXTS[0], recipe="note"),
        row(1, "Nota: " + TEXTS[1], recipe="note"),
        row(2, "Note: " + TEXTS[0], recipe="note"),
    ]
    results = await grade(rows, recipes={"note": Note()})
    assert results[1]["reasons"] == ["form: a note begins with 'Note:'"]
    evidence = results[2]["grades"][-1]["evidence"][0]
    assert rows[2]["text"][evidence["start"] : evidence["end"]] == evidence["quote"]
    assert evidence["start"] == 6


async def test_an_index_that_cannot_serve_leaves_novelty_ungraded() -> None:
    class Damaged(MemoryIndex):
        def nearest(self, text: str, fp: Fingerprint) -> Neighbour | None:
            raise IndexUnavailableError("damaged")

    (result,) = await grade([row(0, TEXTS[0])], index=Damaged())
    assert result["reasons"] == ["novelty: damaged"]
    assert result["grades"][-1]["score"] is None


async def test_thresholds_can_be_overridden() -> None:
    near = TEXTS[0].replace("ten", "some")
    rows = [row(0, TEXTS[0]), row(1, near)]
    assert (await grade(rows))[1]["verdict"] == "rejected"
    assert (await grade(rows, thresholds={"novelty": 0.05}))[1]["verdict"] == "accepted"


async def test_a_repeat_is_found_also_when_rows_share_an_id() -> None:
    rows = [
        {"id": "a", "text": TEXTS[0]},
        {"id": "a", "text": TEXTS[1]},
        {"id": 3, "text": TEXTS[1]},
    ]
    graded = await RowGrader(GradersConfig(), graders=["novelty"]).grade(rows)
    assert [row["verdict"] for row in graded] == ["accepted", "accepted", "rejected"]


async def test_batches_graded_at_once_share_one_grader_that_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, closed = [], []

    class Slow:
        name, version = "form", "1"

        async def start(self) -> None:
            await asyncio.sleep(0)
            started.append(self)

        async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
            return [Grade(self.name, self.version, 1.0) for _ in candidates]

        async def aclose(self) -> None:
            closed.append(self)

    monkeypatch.setattr(row_grader, "build_graders", lambda *_: [Slow()])
    grader = RowGrader(GradersConfig(), graders=["form"])
    await asyncio.gather(*(grader.grade([row(n, TEXTS[n])], n) for n in range(3)))
    await grader.aclose()
    assert len(started) == 1 and closed == started


async def test_novelty_is_judged_beside_the_event_loop() -> None:
    threads = []

    class Watched(MemoryIndex):
        def nearest(self, text: str, fp: Fingerprint) -> Neighbour | None:
            threads.append(threading.current_thread())
            return super().nearest(text, fp)

    await grade([row(n, text) for n, text in enumerate(TEXTS)], index=Watched())
    assert len(threads) == 3 and threading.main_thread() not in threads
