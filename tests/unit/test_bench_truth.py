"""The truth benchmark counts apart what is false, what is undecided and what is right."""

from dataclasses import replace

from benchmarks.gate_quality_guarantee import check_guarantee, choose_threshold
from benchmarks.truth import NO_SCORE, Case, guarantee_table, scores_of, summarise, table
from graders.types import Candidate, Grade, Source, Verdict
from workers.tiny.corpus.truth import RIGHT, Truth
from workers.types import Draw, Produced

FALSE, UNDECIDED = Truth(True, True, "false"), Truth(True, False, "garbled")


def case(seq: int, truth: Truth, passed: bool) -> Case:
    source = Source("s", "A source.")
    text = f"The essay number {seq} is about topic {seq * 17}."
    fields = {"essay": text, "thesis": text}
    candidate = Candidate("b", seq, "essay", text, text, source=source, fields=fields)
    verdict = Verdict(passed, ())
    return Case(Produced(Draw(seq, source, seq), candidate, (), verdict), truth, passed)


def test_false_and_undecided_texts_add_up_to_the_wrong_ones() -> None:
    truths = [FALSE] * 4 + [UNDECIDED] * 2 + [RIGHT] * 6
    cases = [case(n, truth, n % 2 == 0) for n, truth in enumerate(truths)]
    found = summarise("essay", cases, 1.0)
    for when, counts in (("before", (6, 4, 2, 12)), ("after", (3, 2, 1, 6))):
        wrong, false, undecided = (
            found[f"{kind}_{when}"] for kind in ("wrong", "false", "undecided")
        )
        assert (wrong["hits"], false["hits"], undecided["hits"], wrong["of"]) == counts
    head, _, row, *_ = table({"essay": found}).splitlines()
    assert "| wrong after it | of which false | of which undecided | good ones kept |" in head
    assert row.count("|") == head.count("|")


def graded(seq: int, truth: Truth, *scores: float | None) -> Case:
    made = case(seq, truth, passed=True)
    grades = [Grade("consistency", "1", each, ungraded=None if each else "?") for each in scores]
    grades.append(Grade("form", "1", 0.0))
    return replace(made, produced=replace(made.produced, grades=tuple(grades)))


def test_certificates_are_asked_for_on_the_calibrated_graders_lowest_score() -> None:
    few = [graded(0, RIGHT, 0.9, 0.4), graded(1, FALSE, 0.9, None), graded(2, FALSE)]
    assert scores_of("essay", few).scores.tolist() == [0.4, NO_SCORE, NO_SCORE]
    assert scores_of("essay", few).right.tolist() == [True, False, False]
    many = [graded(n, FALSE if n % 2 else RIGHT, 0.1 if n % 2 else 0.9) for n in range(400)]
    checked = check_guarantee(scores_of("essay", many), choose_threshold, splits=5, seed=0)
    assert [found["granted"] for found in checked.values()] == [5, 5, 5]
    assert [found["misses"] for found in checked.values()] == [0, 0, 0]
    assert "| `essay`, `consistency` | 5% | 5 | 0 | 0.0% | 50% |" in guarantee_table(
        {"essay": {"guarantee": checked}}
    )
