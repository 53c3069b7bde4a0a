"""Bounds that hold, thresholds that are certified or refused, files that are whole or refused."""

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.calibration import Certificate, Refusal, certify
from graders.calibration.audit import audit_bound, draw_more
from graders.calibration.bounds import (
    binomial_upper,
    fewest_without_error,
    hypergeometric_upper,
    log_binomial_tail,
    sequential_upper,
)
from graders.calibration.scored_set import (
    Grading,
    ScoredSet,
    ScoredText,
    certificate_for,
    read_scored_set,
    write_scored_set,
)
from graders.calibration.selection import least_sources, risk_curve
from graders.errors import CalibrationError


@pytest.mark.parametrize(
    ("errors", "trials", "upper"), [(0, 59, 0.0495), (0, 10, 0.2589), (1, 20, 0.2161), (5, 5, 1.0)]
)
def test_the_binomial_bound_is_that_of_clopper_and_pearson(
    errors: int, trials: int, upper: float
) -> None:
    assert binomial_upper(errors, trials, 0.05) == pytest.approx(upper, abs=1e-4)


@given(st.integers(1, 60), st.data(), st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_the_binomial_bound_leaves_exactly_delta_below(
    trials: int, data: st.DataObject, delta: float
) -> None:
    errors = data.draw(st.integers(0, trials - 1))
    upper = binomial_upper(errors, trials, delta)
    assert math.exp(log_binomial_tail(errors, trials, upper)) == pytest.approx(delta, rel=1e-6)


def test_the_fewest_trials_without_an_error_are_the_rule_of_three() -> None:
    assert fewest_without_error(0.05, 0.05) == 59
    assert binomial_upper(0, 59, 0.05) <= 0.05 < binomial_upper(0, 58, 0.05)


def hypergeometric(wrong: int, labelled: int, total: int, population: int) -> float:
    ways = math.comb(total, wrong) * math.comb(population - total, labelled - wrong)
    return ways / math.comb(population, labelled)


@pytest.mark.parametrize("population", [7, 20])
def test_the_bound_for_a_size_fixed_beforehand_misses_at_most_delta_of_the_draws(
    population: int,
) -> None:
    for total, labelled in itertools.product(range(population + 1), range(1, population + 1)):
        covered = sum(
            hypergeometric(wrong, labelled, total, population)
            for wrong in range(max(0, labelled + total - population), min(total, labelled) + 1)
            if hypergeometric_upper(wrong, labelled, population, 0.1) >= total
        )
        assert covered >= 0.9 - 1e-9


def misses(population: int, total: int, delta: float) -> float:
    """P(at some moment of labelling the bound is below the truth), by walking every path."""
    alive = {0: 1.0}
    missed = 0.0
    for labelled in range(population):
        following: dict[int, float] = {}
        for wrong, chance in alive.items():
            left = population - labelled
            for step, ways in ((1, total - wrong), (0, left - (total - wrong))):
                if ways <= 0:
                    continue
                bound = sequential_upper(wrong + step, labelled + 1, population, delta)
                share = chance * ways / left
                if bound < total:
                    missed += share
                else:
                    following[wrong + step] = following.get(wrong + step, 0.0) + share
        alive = following
    return missed


@pytest.mark.parametrize("total", [0, 1, 3, 9, 20, 30])
def test_whenever_labelling_stops_the_bound_holds_with_its_confidence(total: int) -> None:
    assert misses(30, total, 0.1) <= 0.1


def test_all_labelled_is_all_known() -> None:
    bound = audit_bound([True, False, True], population=3, planned=3, confidence=0.95)
    assert bound.most_wrong == bound.most_wrong_as_planned == bound.wrong == 1


def test_the_bound_never_rises_when_a_right_one_is_added_and_waits_for_the_plan() -> None:
    shares = [
        audit_bound([True] * n, population=1000, planned=60, confidence=0.95) for n in range(0, 61)
    ]
    most = [bound.most_wrong for bound in shares]
    assert most == sorted(most, reverse=True) and most[0] == 1000
    assert shares[59].most_wrong_as_planned is None
    assert shares[60].most_wrong_share_as_planned == pytest.approx(0.047, abs=0.002)


@given(st.sets(st.integers(0, 500), min_size=1), st.integers(0, 2**40), st.data())
@settings(deadline=None)
def test_a_draw_holds_nothing_twice_and_can_be_added_to(
    accepted: set[int], seed: int, data: st.DataObject
) -> None:
    first = draw_more(list(accepted), [], data.draw(st.integers(0, len(accepted))), seed)
    rest = draw_more(list(accepted), first, len(accepted) - len(first), seed)
    assert sorted(first + rest) == sorted(accepted)
    assert draw_more(sorted(accepted), [], len(first), seed) == first


def texts_of(sources: int, each: int, seed: int) -> tuple[list[float], list[bool], list[int]]:
    """Texts whose score says something about whether they are right; sources differ."""
    draw = random.Random(seed)
    scores, right, names = [], [], []
    for source in range(sources):
        lean = draw.gauss(0, 0.5)
        for _ in range(each):
            quality = lean + draw.gauss(0, 0.9)
            scores.append(1 / (1 + math.exp(-2 * quality + draw.gauss(0, 0.5))))
            right.append(quality > -0.3)
            names.append(source)
    return scores, right, names


def granted_in_error(delta: float, runs: int) -> int:
    """How often a score that says nothing is certified at 25% while a little more is wrong.

    No threshold is any better than another here, so that whatever is certified is a miss.
    """
    found = 0
    for seed in range(runs):
        draw = random.Random(seed)
        scores = [draw.random() for _ in range(200)]
        right = [draw.random() >= 0.2501 for _ in range(200)]
        found += isinstance(certify(scores, right, range(200), 0.25, delta, seed), Certificate)
    return found


def test_certificates_miss_at_most_delta_of_the_time() -> None:
    delta, runs, limit = 0.2, 200, 58
    assert log_binomial_tail(limit, runs, delta) > math.log(0.999), "right code passes"
    assert granted_in_error(delta, runs) <= limit
    assert granted_in_error(2 * delta, runs) > limit, "else the test shows nothing"


def test_a_looser_demand_lets_no_less_through() -> None:
    texts = texts_of(400, 2, seed=1)
    found = [certify(*texts, alpha) for alpha in (0.1, 0.2, 0.3)]
    coverage = [item.coverage for item in found if isinstance(item, Certificate)]
    assert len(coverage) == 3 and coverage == sorted(coverage)
    assert all(item.bound == item.max_error_rate for item in found if isinstance(item, Certificate))


def test_what_cannot_be_honoured_is_refused_with_the_best_bound_which_can() -> None:
    texts = texts_of(100, 2, seed=1)
    refused = certify(*texts, 0.01)
    assert isinstance(refused, Refusal)
    assert 0.01 < refused.best_bound < 1
    assert "299 without an error are the least" in refused.reason
    granted = certify(*texts, refused.best_bound)
    assert isinstance(granted, Certificate)


def test_texts_of_one_source_count_once_however_many_they_are() -> None:
    scores, right, sources = [1.0] * 2000, [True] * 1999 + [False], [n % 20 for n in range(2000)]
    refused = certify(scores, right, sources, 0.05)
    assert isinstance(refused, Refusal) and refused.accepted == 16
    alone = certify(scores, right, list(range(2000)), 0.05)
    assert isinstance(alone, Certificate) and alone.sources == 2000


def test_texts_without_a_score_never_pass() -> None:
    scores: list[float | None] = [None if n % 2 else 0.9 for n in range(400)]
    found = certify(scores, [n % 2 == 0 for n in range(400)], list(range(400)), 0.05)
    assert isinstance(found, Certificate)
    assert found.coverage == pytest.approx(0.5) and found.observed == 0


def test_the_curve_ends_with_everything() -> None:
    points = risk_curve(*texts_of(50, 2, seed=3))
    assert [p.threshold for p in points] == sorted((p.threshold for p in points), reverse=True)
    assert all(point.bound >= 0 and 0 < point.coverage <= 1 for point in points)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1], [True, False], ["a"], 0.1), "1 scores, 2 labels"),
        (([0.1, 0.2], [True, False], ["a", "a"], 0.1), "fewer than two sources"),
        (([0.1, 0.2], [True, False], ["a", "b"], 0.0), "alpha must lie"),
        (([0.1, math.nan], [True, False], ["a", "b"], 0.1), "not a finite number"),
        (([None, None], [True, False], ["a", "b"], 0.1), "no text has a score"),
    ],
)
def test_a_set_that_cannot_be_used_is_an_error(arguments: Any, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        certify(*arguments)


def test_the_least_number_of_sources_suffices_when_nothing_is_wrong() -> None:
    least = least_sources(0.05, 0.05)
    assert isinstance(certify([1.0] * least, [True] * least, range(least), 0.05), Certificate)
    fewer = least - 2
    assert isinstance(certify([1.0] * fewer, [True] * fewer, range(fewer), 0.05), Refusal)


@pytest.fixture
def scored() -> ScoredSet:
    texts = tuple(
        ScoredText(score, ok, f"s{name}")
        for score, ok, name in zip(*texts_of(200, 2, seed=4), strict=True)
    )
    grading = Grading("consistency", "2", {"judge": False, "language": "en"}, "")
    return ScoredSet("essays", "essay", grading, ("some-model",), 1.5, texts)


def test_a_calibration_file_comes_back_as_it_was_and_answers_the_same(
    scored: ScoredSet, tmp_path: Path
) -> None:
    path = tmp_path / "essay.json"
    write_scored_set(path, scored)
    again = read_scored_set(path)
    assert again == scored
    found = certificate_for(again, 0.25, 0.05)
    assert isinstance(found, Certificate)
    assert (found.grader, found.grader_version, found.recipe) == ("consistency", "2", "essay")
    assert found.calibration_set == "essays" and len(found.calibration_sha256) == 64
    assert "Void for another generator" in found.assumption
    assert orjson.loads(orjson.dumps(found.to_json()))["rows"] == 400
    assert [item.name for item in tmp_path.iterdir()] == ["essay.json"]


def damaged(whole: bytes) -> Iterator[tuple[bytes, str]]:
    yield whole[: len(whole) // 2], "is damaged"
    yield b"[1, 2]", "no calibration file"
    yield whole.replace(b'"version": 1,', b'"version": 2,', 1), "has version 2"
    yield whole.replace(b'"right": false', b'"right": true', 1), "does not match its checksum"
    yield b"\xff\xfe", "is no calibration file or is damaged"


def test_a_damaged_file_or_one_of_another_version_is_refused(
    scored: ScoredSet, tmp_path: Path
) -> None:
    path = tmp_path / "essay.json"
    write_scored_set(path, scored)
    for content, message in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(CalibrationError, match=message):
            read_scored_set(path)
    with pytest.raises(CalibrationError, match="can't be read"):
        read_scored_set(tmp_path / "missing.json")
