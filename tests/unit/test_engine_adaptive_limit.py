"""The limit on requests in flight: bounds, exactness, and how it answers congestion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.engines.adaptive_limit import AdaptiveLimit

STEPS = st.lists(st.tuples(st.sampled_from(["ok", "full", "gone"]), st.integers(0, 63)))


def run(limit: AdaptiveLimit, steps: list[tuple[str, int]]) -> None:
    """Send whenever allowed; each step ends one request in flight."""
    out: list[int] = []
    for how, which in steps:
        while limit.may_send(0):
            out.append(limit.sent())
        ticket = out.pop(which % len(out))
        {"ok": limit.succeeded, "full": limit.congested, "gone": limit.released}[how](ticket)
        assert limit.in_flight == len(out)
        assert 1 <= limit.limit <= limit.most


@settings(deadline=None)
@given(st.integers(1, 64), STEPS)
def test_the_limit_stays_in_bounds_and_always_lets_someone_through(
    most: int, steps: list[tuple[str, int]]
) -> None:
    limit = AdaptiveLimit(most)
    run(limit, steps)
    while limit.in_flight:
        limit.released(1)
    assert limit.may_send(0)


@settings(deadline=None)
@given(st.integers(2, 512))
def test_one_round_of_refusals_halves_the_limit_once(most: int) -> None:
    limit = AdaptiveLimit(most)
    tickets = [limit.sent() for _ in range(most)]
    for ticket in tickets:
        limit.congested(ticket)
    assert limit.limit == max(1, most / 2)


@settings(deadline=None)
@given(st.integers(1, 64), STEPS)
def test_successes_bring_the_full_limit_back(most: int, steps: list[tuple[str, int]]) -> None:
    limit = AdaptiveLimit(most)
    run(limit, steps)
    while limit.in_flight:
        limit.released(1)
    for _ in range(most * most):
        limit.succeeded(limit.sent())
    assert limit.limit == most


def test_a_round_of_successes_raises_it_by_about_one() -> None:
    limit = AdaptiveLimit(64)
    limit.congested(limit.sent())
    for _ in range(32):
        limit.succeeded(limit.sent())
    assert 32.9 < limit.limit <= 33


def test_successes_from_before_the_congestion_do_not_raise_it() -> None:
    limit = AdaptiveLimit(8)
    old, new = limit.sent(), limit.sent()
    limit.congested(new)
    limit.succeeded(old)
    assert limit.limit == 4


def test_nothing_goes_out_before_the_time_the_endpoint_named() -> None:
    limit = AdaptiveLimit(4)
    limit.congested(limit.sent(), hold_until=10)
    limit.congested(limit.sent(), hold_until=5)
    assert not limit.may_send(9.9)
    assert limit.may_send(10)


def test_a_request_that_is_not_in_flight_can_not_end() -> None:
    limit = AdaptiveLimit(4)
    with pytest.raises(ValueError, match="not in flight"):
        limit.released(1)
    with pytest.raises(ValueError, match="at least one"):
        AdaptiveLimit(0)
