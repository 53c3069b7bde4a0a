"""The gate: what it accepts, and that nothing missing gets through."""

from hypothesis import given, settings
from hypothesis import strategies as st

from graders.gate import Gate, decide, passed
from graders.types import Evidence, Failure, Grade

NAMES = ("form", "answers", "consistency")
SCORES = st.floats(0, 1)
GATES = st.builds(
    Gate,
    st.dictionaries(st.sampled_from(NAMES), SCORES),
    st.lists(st.sampled_from(NAMES), max_size=4).map(tuple),
)
GRADES = st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), SCORES)).map(
    lambda scores: [
        Grade(name, "1", score, ungraded="broke" if score is None else None)
        for name, score in scores.items()
    ]
)


@settings(deadline=None)
@given(GATES, GRADES)
def test_accepted_means_no_failures_and_every_failure_is_a_required_grader(
    gate: Gate, grades: list[Grade]
) -> None:
    verdict = decide(gate, grades)
    assert verdict.accepted == (not verdict.failures)
    assert {failure.grader for failure in verdict.failures} == {
        name
        for name in gate.required
        if not any(g.grader == name and passed(gate, g) for g in grades)
    }


@settings(deadline=None)
@given(GATES, GRADES, st.sampled_from(NAMES))
def test_a_required_grader_that_said_nothing_is_never_accepted(
    gate: Gate, grades: list[Grade], name: str
) -> None:
    stricter = gate.requiring((*gate.required, name))
    silent = [grade for grade in grades if grade.grader != name]
    for missing in (silent, [*silent, Grade(name, "1", None, ungraded="no source")]):
        verdict = decide(stricter, missing)
        assert not verdict.accepted
        assert any(f.grader == name and f.ungraded for f in verdict.failures)


@settings(deadline=None)
@given(GATES, GRADES, st.integers(0, 2), SCORES)
def test_a_higher_score_never_turns_acceptance_into_rejection(
    gate: Gate, grades: list[Grade], which: int, higher: float
) -> None:
    raised = [
        Grade(g.grader, "1", max(g.score or 0.0, higher)) if n == which else g
        for n, g in enumerate(grades)
    ]
    assert decide(gate, raised).accepted >= decide(gate, grades).accepted


def test_the_reason_is_the_first_evidence_against_the_text() -> None:
    evidence = (
        Evidence("Vienna", "in the source", supports=True),
        Evidence("1492", "the source says 1493"),
        Evidence("Ulm", "not in the source"),
    )
    verdict = decide(Gate({"consistency": 0.5}, ("consistency",)), [
        Grade("consistency", "1", 0.4, evidence)
    ])  # fmt: skip
    assert verdict.failures == (Failure("consistency", "the source says 1493"),)


def test_a_failing_grade_without_evidence_gives_its_figures() -> None:
    verdict = decide(Gate({"a": 0.5}, ("a",)), [Grade("a", "1", 0.25)])
    assert verdict.failures[0].reason == "score 0.25 is below 0.50"


def test_two_grades_by_one_grader_must_both_pass() -> None:
    gate = Gate({"a": 0.5}, ("a",))
    assert not decide(gate, [Grade("a", "1", 0.9), Grade("a", "1", 0.1)]).accepted
    assert not decide(gate, [Grade("a", "1", 0.9), Grade("a", "1", None)]).accepted


def test_passed_is_unknown_without_a_score() -> None:
    gate = Gate({"a": 0.5}, ("a",))
    assert [passed(gate, Grade("a", "1", score)) for score in (0.5, 0.4, None)] == [
        True, False, None
    ]  # fmt: skip


def test_a_grader_without_a_threshold_must_score_one() -> None:
    gate = Gate({}, ("a",))
    assert not decide(gate, [Grade("a", "1", 0.999)]).accepted
    assert decide(gate, [Grade("a", "1", 1.0)]).accepted
