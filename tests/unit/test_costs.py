"""What batches cost: estimates that say so, sums that add up, money at a price."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.costs import Cost, cost_of, in_words, money, saved_tokens, totals
from workers.types import Price, Progress

SPENT = Progress(
    total=10,
    accepted=4,
    rejected=5,
    failed=1,
    prompt_tokens=1000,
    completion_tokens=760,
    rejected_tokens=360,
    aborted=2,
    aborted_tokens=60,
    unaborted=7,
    grading_tokens=500,
    engine_seconds=1800.0,
    grading_engine_seconds=600.0,
    grader_seconds=700.0,
    elapsed_seconds=2000.0,
)
PRICE = Price(3.0, "EUR")

counters = st.integers(0, 10**9)
progresses = st.builds(
    Progress,
    total=st.integers(1, 1000),
    accepted=st.integers(0, 1000),
    rejected=counters,
    failed=counters,
    completion_tokens=counters,
    aborted=counters,
    aborted_tokens=counters,
    unaborted=counters,
    engine_seconds=st.floats(0, 1e9),
)


def test_stopped_texts_are_taken_to_be_as_long_as_the_mean_of_the_others() -> None:
    assert saved_tokens(SPENT) == 2 * (760 - 60) // 7 - 60


def test_without_any_whole_text_what_aborts_saved_is_unknown_and_not_zero() -> None:
    assert saved_tokens(Progress(1, aborted=3, aborted_tokens=9, completion_tokens=9)) is None
    assert saved_tokens(Progress(1)) == 0


@given(progresses)
def test_what_aborts_saved_is_never_negative(progress: Progress) -> None:
    saved = saved_tokens(progress)
    assert saved is None or saved >= 0


def test_money_is_engine_time_at_the_price_of_an_hour() -> None:
    assert money(SPENT, PRICE) == pytest.approx(1.5)
    assert money(SPENT, None) is None


def test_a_cost_gives_what_each_sample_took() -> None:
    cost = cost_of(SPENT, PRICE)
    assert (cost.candidates, cost.accepted, cost.money, cost.currency) == (10, 4, 1.5, "EUR")
    assert cost.accepted_per_engine_hour == pytest.approx(8.0)
    assert cost.per_accepted["candidates"] == 2.5
    assert cost.per_accepted["completion_tokens"] == 190
    assert cost.per_accepted["money"] == pytest.approx(0.375)


def test_a_batch_without_samples_has_no_share_and_one_without_a_price_no_money() -> None:
    cost = cost_of(Progress(3, rejected=2, engine_seconds=5.0))
    assert set(cost.per_accepted.values()) == {None}
    assert cost.accepted_per_engine_hour == 0.0
    assert cost_of(Progress(3)).accepted_per_engine_hour is None
    assert (cost.money, cost.currency, cost.price_per_engine_hour) == (None, None, None)


def test_batches_are_summed_by_currency_with_the_unpriced_apart() -> None:
    found = totals([cost_of(SPENT, PRICE), cost_of(SPENT), cost_of(SPENT, Price(6.0, "EUR"))])
    assert [(cost.currency, cost.batches, cost.money) for cost in found] == [
        ("EUR", 2, pytest.approx(4.5)),
        (None, 1, None),
    ]
    assert found[0].completion_tokens == 2 * 760
    assert found[0].saved_tokens == 2 * 140
    assert found[0].price_per_engine_hour is None
    assert totals([]) == []


@given(progresses)
def test_the_total_of_one_batch_is_its_cost(progress: Progress) -> None:
    cost = cost_of(progress, PRICE)
    assert totals([cost]) == [cost]


def test_the_line_says_the_same_of_a_cost_and_of_its_object() -> None:
    cost = cost_of(SPENT, PRICE)
    assert (
        in_words(cost)
        == in_words(asdict(cost))
        == (
            "760 tokens written (360 in rejected texts; some 140 saved by stopping 2 early) · "
            "1,800.0 engine-seconds (600.0 for graders' questions) · 700.0 grader-seconds · "
            "8 accepted per engine-hour · 1.50 EUR (0.38 a sample)"
        )
    )


@pytest.mark.parametrize(
    ("hour", "told"), [(3600.0, "1,800.00 (450.00 a"), (0.00003, "0.000015 (0.0000038 a")]
)
def test_money_is_written_out_however_little(hour: float, told: str) -> None:
    assert told in in_words(cost_of(SPENT, Price(hour)))


def test_the_line_owns_up_to_what_is_not_known() -> None:
    nothing = in_words(cost_of(Progress(1, aborted=1, aborted_tokens=8, completion_tokens=8)))
    assert "an unknown number saved by stopping 1 early" in nothing
    assert "engine-hour" not in nothing
    assert in_words(Cost()).startswith("0 tokens written")
