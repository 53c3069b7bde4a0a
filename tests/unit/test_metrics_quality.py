"""Measures of a gate against values worked out by hand, and what holds for any scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.metrics.bootstrap import interval, resamples
from graders.metrics.discrimination import auroc, auroc_if_any, confusion
from graders.metrics.quality import intervals, measure
from graders.metrics.reliability import brier, calibration_error, reliability
from graders.metrics.selective import at_threshold, aurc, excess_aurc, risk_coverage

SCORES = [0.9, 0.8, 0.8, 0.4, 0.1]
RIGHT = [1, 1, 0, 1, 0]

rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40)
both_classes = rows.filter(lambda found: len({right for _, right in found}) == 2)


def test_the_curve_has_one_point_per_distinct_score() -> None:
    curve = risk_coverage(SCORES, RIGHT)
    assert curve.threshold.tolist() == [0.9, 0.8, 0.4, 0.1]
    assert curve.coverage.tolist() == pytest.approx([1 / 5, 3 / 5, 4 / 5, 1])
    assert curve.risk.tolist() == pytest.approx([0, 1 / 3, 1 / 4, 2 / 5])


def test_risk_and_coverage_count_a_score_at_the_threshold_as_passed() -> None:
    assert at_threshold(SCORES, RIGHT, 0.8) == pytest.approx((1 / 3, 3 / 5))


def test_the_risk_of_nothing_is_not_a_number() -> None:
    risk, coverage = at_threshold(SCORES, RIGHT, 0.95)
    assert math.isnan(risk)
    assert coverage == 0


def test_aurc_takes_the_expectation_over_tied_scores() -> None:
    # expected errors among the best k: 0, 0.5, 1, 1, 2
    assert aurc(SCORES, RIGHT) == pytest.approx((0 + 0.5 / 2 + 1 / 3 + 1 / 4 + 2 / 5) / 5)


def test_excess_aurc_is_measured_against_the_best_ranking() -> None:
    best = (0 + 0 + 0 + 1 / 4 + 2 / 5) / 5
    assert excess_aurc(SCORES, RIGHT) == pytest.approx(aurc(SCORES, RIGHT) - best)


def test_auroc_counts_a_tie_as_half_a_win() -> None:
    # pairs (right, wrong): .9 wins twice, .8 ties and wins, .4 loses and wins
    assert auroc(SCORES, RIGHT) == pytest.approx((2 + 1.5 + 1) / 6)


def test_auroc_of_one_class_is_nothing_where_that_is_asked_for() -> None:
    assert math.isnan(auroc_if_any([1.0, 0.5], [True, True]))
    assert auroc_if_any([1.0, 1.0], [True, False]) == 0.5


def test_the_class_wrong_is_the_positive_one() -> None:
    found = confusion(SCORES, RIGHT, 0.5)
    assert (found.caught, found.missed, found.false_alarms, found.kept) == (1, 1, 1, 2)
    assert found.f1 == pytest.approx(2 / 4)
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.accuracy == pytest.approx(3 / 5)


def test_bins_hold_equally_many_texts() -> None:
    found = reliability([0.1, 0.2, 0.3, 0.4], [0, 1, 1, 1], bins=2)
    assert found.count.tolist() == [2, 2]
    assert found.score.tolist() == pytest.approx([0.15, 0.35])
    assert found.right.tolist() == pytest.approx([0.5, 1.0])
    error = calibration_error([0.1, 0.2, 0.3, 0.4], [0, 1, 1, 1], bins=2)
    assert error == pytest.approx((0.35 + 0.65) / 2)


def test_equal_scores_share_a_bin() -> None:
    assert reliability([0.5] * 7, [0, 1, 1, 0, 1, 1, 0], bins=5).count.tolist() == [7]


def test_brier_is_the_mean_squared_distance() -> None:
    assert brier([1.0, 0.5], [1, 0]) == pytest.approx(0.125)


def test_scores_outside_zero_to_one_have_no_calibration_error() -> None:
    found = measure([2.0, -1.0, 0.5], [1, 0, 1], threshold=0.5)
    assert math.isnan(found["calibration_error"])
    assert found["auroc"] == 1


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([], [], "no scores"),
        ([0.5], [1, 0], "1 scores but 2 labels"),
        ([0.5, math.nan], [1, 0], "score 1 is nan: leave ungraded texts out"),
        ([0.5, 0.6], [1, 2], "labels must be 1"),
        ([0.5, 0.6], [1, 1], "all 2 texts are right"),
        ([0.5, 0.6], [0, 0], "all 2 texts are wrong"),
        ([[0.5], [0.6]], [0, 1], "flat lists"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(
    scores: list[float], labels: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(scores, labels, 0.5)


def test_calibration_of_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        calibration_error([1.5, 0.2], [1, 0])


def test_a_resample_takes_whole_sources() -> None:
    sources = ["a", "a", "b", "c", "c", "c"]
    for drawn in resamples(sources, 6, rounds=20, seed=1):
        times = np.bincount(drawn, minlength=6)
        assert times[0] == times[1]
        assert times[3] == times[4] == times[5]
        assert times[0] + times[2] + times[3] == 3


def test_one_source_gives_an_interval_without_width() -> None:
    ends = interval(lambda rows: float(np.mean(rows)), ["a"] * 4, 4, rounds=10)
    assert ends == (1.5, 1.5)


def test_an_interval_that_mostly_cannot_be_computed_is_none() -> None:
    found = intervals([0.9, 0.1], [1, 0], ["a", "b"], 0.5, rounds=50)
    assert found["auroc"] is None or found["auroc"] == (1.0, 1.0)
    assert interval(lambda rows: math.nan, None, 4, rounds=10) is None


def test_an_interval_has_one_source_per_text() -> None:
    with pytest.raises(ValueError, match="1 sources but 2 texts"):
        intervals([0.9, 0.1], [1, 0], ["a"], 0.5)


@given(both_classes)
def test_auroc_is_the_share_of_pairs_in_order(found: list[tuple[int, bool]]) -> None:
    good = [score for score, right in found if right]
    bad = [score for score, right in found if not right]
    wins = sum((a > b) + 0.5 * (a == b) for a in good for b in bad)
    scores, labels = zip(*found, strict=True)
    assert auroc(scores, labels) == pytest.approx(wins / (len(good) * len(bad)))


@given(rows)
def test_no_ranking_beats_the_best_one(found: list[tuple[int, bool]]) -> None:
    scores, labels = zip(*found, strict=True)
    assert excess_aurc(scores, labels) >= -1e-12
    assert 0 <= aurc(scores, labels) <= 1


@given(rows, st.integers(0, 9))
def test_the_curve_agrees_with_each_threshold(
    found: list[tuple[int, bool]], threshold: int
) -> None:
    scores, labels = zip(*found, strict=True)
    curve = risk_coverage(scores, labels)
    for level, coverage, risk in zip(curve.threshold, curve.coverage, curve.risk, strict=True):
        assert at_threshold(scores, labels, level) == pytest.approx((risk, coverage))


@given(rows, st.integers(1, 12))
def test_bins_lose_no_text(found: list[tuple[int, bool]], bins: int) -> None:
    scores, labels = zip(*found, strict=True)
    binned = reliability(np.array(scores) / 8, labels, bins)
    assert binned.count.sum() == len(found)
    assert len(binned.count) <= bins
    assert np.sum(binned.count * binned.right) == pytest.approx(sum(labels))
