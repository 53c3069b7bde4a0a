"""The oversampler: few draws too many, sources served evenly, hopeless ones retired."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.oversample import Oversampler
from workers.types import Outcome

ACCEPTED, REJECTED, FAILED = Outcome.ACCEPTED, Outcome.REJECTED, Outcome.FAILED


def simulate(count: int, rate: float, seed: int, window: int = 64) -> tuple[int, int]:
    """Draws made, and draws needed, when results are admitted in order."""
    rng = random.Random(seed)
    oversampler = Oversampler(count, [str(n) for n in range(7)], window)
    in_flight: list[int] = []
    drawn = accepted = 0
    while True:
        planned = oversampler.plan(len(in_flight))
        drawn += len(planned)
        in_flight += planned
        passes = rng.random() < rate
        oversampler.observe(in_flight.pop(0), ACCEPTED if passes else REJECTED)
        accepted += passes
        if accepted == count:
            return drawn, drawn - len(in_flight)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("window", [64, 256, 1024])
@pytest.mark.parametrize("count", [200, 500])
def test_draws_at_most_5_percent_more_than_one_who_knows_the_pass_rate(
    count: int, window: int, rate: float
) -> None:
    runs = [simulate(count, rate, seed, window) for seed in range(20)]
    drawn, needed = sum(run[0] for run in runs), sum(run[1] for run in runs)
    assert drawn <= 1.05 * needed


def test_the_window_is_filled_while_much_is_missing_and_never_exceeded() -> None:
    oversampler = Oversampler(1000, ["a"], 64)
    assert len(oversampler.plan(0)) == 64
    assert oversampler.plan(64) == []
    assert len(oversampler.plan(60)) == 4


def test_the_last_sample_is_not_chased_with_a_full_window() -> None:
    oversampler = Oversampler(11, ["a"], 64)
    for source in oversampler.plan(0)[:10]:
        oversampler.observe(source, ACCEPTED)
    assert len(oversampler.plan(0)) <= 2


def test_a_caller_may_plan_fewer_draws() -> None:
    assert len(Oversampler(1000, ["a"], 64).plan(0, at_most=3)) == 3


def test_each_source_is_drawn_from_once_before_any_is_drawn_from_twice() -> None:
    oversampler = Oversampler(100, [str(n) for n in range(10)], 15)
    planned = oversampler.plan(0)
    assert planned[:10] == list(range(10))
    assert len(set(planned[10:])) == 5


def test_samples_spread_evenly_over_sources_that_pass_at_different_rates() -> None:
    rng = random.Random(0)
    rates = [0.9, 0.6, 0.3]
    oversampler = Oversampler(300, ["a", "b", "c"], 8)
    accepted = [0, 0, 0]
    while sum(accepted) < 290:
        for source in oversampler.plan(0):
            passes = rng.random() < rates[source]
            oversampler.observe(source, ACCEPTED if passes else REJECTED)
            accepted[source] += passes
    assert max(accepted) - min(accepted) <= 8


def test_failures_do_not_lower_the_pass_rate() -> None:
    oversampler = Oversampler(10, ["a"], 8)
    before = oversampler.pass_rate
    for _ in range(5):
        oversampler.observe(0, FAILED)
    assert oversampler.pass_rate == before


def test_a_source_with_too_long_a_prompt_is_not_drawn_from_again() -> None:
    oversampler = Oversampler(100, ["long", "short"], 8)
    oversampler.plan(0, at_most=2)
    oversampler.observe(0, FAILED, too_long=True)
    assert set(oversampler.plan(1)) == {1}
    assert list(oversampler.retired) == ["long"]


def test_no_source_is_left_when_all_prompts_are_too_long_and_that_is_no_engine_failure() -> None:
    oversampler = Oversampler(100, [str(n) for n in range(30)], 40)
    for source in oversampler.plan(0)[:30]:
        oversampler.observe(source, FAILED, too_long=True)
    assert oversampler.exhausted
    assert not oversampler.failing
    assert oversampler.plan(0) == []


def test_a_source_that_brings_nothing_is_retired_while_others_pass() -> None:
    oversampler = Oversampler(1000, ["good", "barren"], 4)
    for _ in range(200):
        for source in oversampler.plan(0):
            oversampler.observe(source, REJECTED if source else ACCEPTED)
    assert list(oversampler.retired) == ["barren"]


def test_a_source_that_ran_dry_is_retired_although_it_gave_samples_before() -> None:
    oversampler = Oversampler(1000, ["rich", "dry"], 4)
    taken = 0
    for _ in range(200):
        for source in oversampler.plan(0):
            dry = source == 1 and taken >= 5
            taken += source == 1 and not dry
            oversampler.observe(source, REJECTED if dry else ACCEPTED)
    assert list(oversampler.retired) == ["dry"]


def test_no_source_is_retired_as_long_as_nothing_passes_anywhere() -> None:
    oversampler = Oversampler(10, ["a", "b"], 4)
    for _ in range(500):
        for source in oversampler.plan(0):
            oversampler.observe(source, REJECTED)
    assert not oversampler.retired


def test_failures_that_are_no_sources_own_retire_none() -> None:
    rng = random.Random(0)
    oversampler = Oversampler(1000, [str(n) for n in range(20)], 64)
    in_flight: list[int] = []
    accepted = 0
    while accepted < 1000:
        in_flight += oversampler.plan(len(in_flight))
        outcome = FAILED if rng.random() < 0.5 else ACCEPTED
        oversampler.observe(in_flight.pop(0), outcome)
        accepted += outcome is ACCEPTED
    assert oversampler.retired == {}


@pytest.mark.parametrize(
    ("sources", "count", "window"), [(2, 60, 4), (10, 500, 64), (100, 2000, 64)]
)
def test_a_source_that_always_fails_is_retired_and_does_not_end_the_batch(
    sources: int, count: int, window: int
) -> None:
    rng = random.Random(sources)
    oversampler = Oversampler(count, [str(n) for n in range(sources)], window)
    in_flight: list[int] = []
    accepted = failed = 0
    while accepted < count:
        in_flight += oversampler.plan(len(in_flight))
        source = in_flight.pop(0)
        passes = source != 1 and rng.random() < 0.7
        oversampler.observe(source, FAILED if source == 1 else ACCEPTED if passes else REJECTED)
        accepted, failed = accepted + passes, failed + (source == 1)
        assert not oversampler.failing
    assert failed <= 8 + window
    assert oversampler.retired == {"1": f"{failed} draws in a row failed"}


def test_eight_failures_at_the_start_or_twenty_in_a_row_later_mean_that_the_engine_fails() -> None:
    start, later = Oversampler(10, ["a"], 8), Oversampler(10, ["a"], 8)
    later.observe(0, REJECTED)
    for n in range(20):
        assert start.failing is (n >= 8)
        assert not later.failing
        start.observe(0, FAILED)
        later.observe(0, FAILED)
    assert later.failing
    later.observe(0, REJECTED)
    assert not later.failing


@given(
    count=st.integers(1, 50),
    sources=st.integers(1, 20),
    window=st.integers(1, 30),
    outcomes=st.lists(
        st.tuples(st.sampled_from(list(Outcome)), st.booleans(), st.integers(0, 99)), max_size=300
    ),
)
def test_whatever_happens_it_plans_draws_from_live_sources_within_the_window(
    count: int, sources: int, window: int, outcomes: list[tuple[Outcome, bool, int]]
) -> None:
    oversampler = Oversampler(count, [str(n) for n in range(sources)], window)
    in_flight: list[int] = []
    for outcome, too_long, pick in outcomes:
        planned = oversampler.plan(len(in_flight))
        assert not {str(source) for source in planned} & set(oversampler.retired)
        in_flight += planned
        assert len(in_flight) <= window
        if not in_flight:
            break
        source = in_flight.pop(pick % len(in_flight))
        oversampler.observe(source, outcome, too_long=too_long)


def test_a_small_batch_learns_a_low_pass_rate_soon() -> None:
    oversampler = Oversampler(5, ["a"], 64)
    for outcome in [ACCEPTED] + [REJECTED] * 19:
        oversampler.observe(0, outcome)
    assert len(oversampler.plan(0)) > 30
