"""Parts of busy time: they add up, and who is away has none."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.busy_time import AtWork, BusyTime, waiting_for_model


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), max_size=40))
def test_the_shares_of_busy_time_add_up_to_it(events: list[tuple[int, float]]) -> None:
    """Each event lets time pass and then starts or ends one of six requests."""
    now, busy, total = 0.0, 0.0, 0.0
    clock = BusyTime(lambda: now)
    open_: dict[int, object] = {}

    def end(name: int) -> float:
        context, seconds = open_.pop(name)  # type: ignore[misc]
        share: float = seconds()
        context.__exit__(None, None, None)
        return share

    for name, passed in events:
        now += passed
        busy += passed if open_ else 0
        if name in open_:
            total += end(name)
        else:
            context = clock.request()
            open_[name] = (context, context.__enter__())
    for name in list(open_):
        total += end(name)
    assert total == pytest.approx(busy, abs=1e-6)


def test_who_is_away_has_no_part_until_all_its_waits_are_over() -> None:
    now = 0.0
    clock = BusyTime(lambda: now)
    with clock.request() as one, clock.request() as other:
        now = 2.0
        with one.away():
            with one.away():
                now = 5.0
            now = 6.0
        now = 8.0
        assert (one(), other()) == (2.0, 6.0)
    now = 100.0
    assert (one(), other()) == (2.0, 6.0)


async def test_a_grader_that_waits_for_a_model_is_not_at_work() -> None:
    async def ask() -> None:
        with waiting_for_model():
            await asyncio.sleep(0.05)

    with AtWork() as seconds:
        await asyncio.gather(ask(), ask())
        assert seconds() < 0.04
    with waiting_for_model():
        assert seconds() < 0.04
