"""The truth benchmark counts apart what is false, what is undecided and what is right."""

from benchmarks.truth import Case, summarise, table
from graders.types import Candidate, Source, Verdict
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
