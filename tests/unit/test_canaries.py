"""Canaries: claims whose truth is known, and what a judge's answers to them say of its health."""

import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.canaries import Canary, CanaryWatch, plant
from graders.config import JudgeConfig
from graders.errors import JudgeUnhealthyError
from graders.types import Source

SHEET = Source("danube", "Name: The Danube\nKind: river\nLength: 2850 km\nBridges: 1,342")
PROSE = Source(
    "marie", "Marie Curie was born in Warsaw. She won the prize of 1903. She was then 36 years old."
)
OTHER = Source("ada", "Ada Lovelace was born in London. Charles Babbage built the machine.")
GOOD, BAD = Canary("s", "c", True), Canary("s", "c", False)


def watch(**options: float) -> CanaryWatch:
    return CanaryWatch(JudgeConfig.model_validate(options))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([SHEET, PROSE]))
def test_a_pair_differs_in_one_word_that_the_source_does_not_hold(
    seed: int, source: Source
) -> None:
    good, bad = plant(source, [], random.Random(seed))
    assert good.holds and not bad.holds
    right, wrong = good.claim.split(), bad.claim.split()
    [(before, after)] = [pair for pair in zip(right, wrong, strict=True) if pair[0] != pair[1]]
    assert before.rstrip(".") in source.text.replace("\n", " ")
    assert after.rstrip(".") not in source.text


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 1000))
def test_any_text_gives_a_pair_or_none(text: str, other: str, seed: int) -> None:
    pair = plant(Source("s", text), [Source("o", other)], random.Random(seed))
    assert [canary.holds for canary in pair] in ([], [True, False])


def test_a_labelled_line_becomes_a_sentence() -> None:
    claims = {plant(SHEET, [], random.Random(seed))[0].claim for seed in range(30)}
    assert claims == {"The length is 2850 km.", "The bridges is 1,342."}


def test_a_sentence_keeps_the_one_before_it() -> None:
    claims = [plant(PROSE, [], random.Random(seed))[0].claim for seed in range(30)]
    assert any("(It follows the sentence: Marie Curie was born in Warsaw.)" in c for c in claims)


def test_without_a_number_a_name_comes_from_another_source() -> None:
    source = Source("s", "Marie Curie was born in Warsaw.")
    assert plant(source, [], random.Random(0)) == ()
    found = {plant(source, [OTHER], random.Random(seed))[1].claim for seed in range(40)}
    assert "Marie Curie was born in London." in found
    assert all(re.search("Ada Lovelace|London|Charles Babbage", claim) for claim in found)


@pytest.mark.parametrize(
    "text",
    ["It has more than 40 moons.", "It has up to 40 moons.", "He came from a town of 4000."],
)
def test_no_canary_where_another_number_might_be_true_as_well(text: str) -> None:
    assert plant(Source("s", text), [OTHER], random.Random(0)) == ()


def test_the_rate_is_the_share_of_texts_with_a_pair() -> None:
    planted = [len(watch(canary_rate=0.25).plant(SHEET, seed)) for seed in range(2000)]
    assert set(planted) == {0, 2}
    assert 0.2 < sum(planted) / 2 / 2000 < 0.3
    assert not any(watch(canary_rate=0).plant(SHEET, seed) for seed in range(200))
    assert all(watch(canary_rate=1).plant(SHEET, seed) for seed in range(200))


def test_the_same_seed_and_source_plant_the_same_pair() -> None:
    one, two = watch(canary_rate=1), watch(canary_rate=1)
    assert [one.plant(SHEET, s) for s in range(20)] == [two.plant(SHEET, s) for s in range(20)]


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    watched = watch()
    assert (watched.health()["known-good"].lowest, watched.health()["known-good"].highest) == (0, 1)
    for right in [True] * 9 + [False]:
        watched.record(GOOD, right)
    health = watched.health()["known-good"]
    assert (health.right, health.asked) == (9, 10)
    # beta quantiles: Beta(9, 2) at 1% and Beta(10, 1) at 99%
    assert health.lowest == pytest.approx(0.4957, abs=5e-4)
    assert health.highest == pytest.approx(0.99 ** (1 / 10), abs=5e-4)


def test_a_judge_that_passes_everything_is_halted_within_a_few_canaries() -> None:
    watched = watch()
    for asked in range(1, 10):
        watched.record(GOOD, True)
        watched.record(BAD, False)
        if asked < 4:
            watched.check()
    with pytest.raises(JudgeUnhealthyError, match=r"known-bad: 0 of 9 right.*on known-bad claims"):
        watched.check()


def test_a_judge_that_refuses_everything_is_halted_too() -> None:
    watched = watch()
    for _ in range(6):
        watched.record(GOOD, False)
        watched.record(BAD, True)
    with pytest.raises(JudgeUnhealthyError, match="on known-good claims"):
        watched.check()


def test_a_good_judge_with_a_slip_goes_on() -> None:
    watched = watch()
    rng = random.Random(1)
    for _ in range(3000):
        watched.record(rng.choice([GOOD, BAD]), rng.random() < 0.93)
        watched.check()


def halted_after(seed: int, rates: Sequence[float]) -> int | None:
    """After how many pairs a judge that is right at these rates, pair by pair, is halted."""
    watched, rng = watch(), random.Random(seed)
    for pair, rate in enumerate(rates, start=1):
        watched.record(GOOD, rng.random() < rate)
        watched.record(BAD, rng.random() < rate)
        try:
            watched.check()
        except JudgeUnhealthyError:
            return pair
    return None


def test_a_judge_at_the_floor_is_hardly_ever_halted() -> None:
    halted = [seed for seed in range(100) if halted_after(seed, [0.7] * 1000) is not None]
    assert len(halted) <= 2


def test_a_judge_at_two_fifths_is_halted_within_about_fifty_pairs() -> None:
    pairs = sorted(halted_after(seed, [0.4] * 400) or 400 for seed in range(100))
    assert pairs[50] <= 30
    assert pairs[90] <= 50


def test_a_judge_that_turns_bad_late_is_halted_soon_after() -> None:
    rates = [0.95] * 1000 + [0.4] * 400
    pairs = sorted((halted_after(seed, rates) or 1400) - 1000 for seed in range(50))
    assert pairs[0] > 0
    assert pairs[25] <= 60
    assert pairs[45] <= 100


def test_good_answers_of_before_do_not_cover_up_bad_ones() -> None:
    watched = watch(canary_window=20)
    for _ in range(500):
        watched.record(BAD, True)
    for _ in range(20):
        watched.record(BAD, False)
    assert watched.health()["known-bad"].right == 0
    with pytest.raises(JudgeUnhealthyError):
        watched.check()


def test_a_floor_of_one_allows_no_miss() -> None:
    watched = watch(canary_floor=1)
    watched.record(BAD, True)
    watched.check()
    watched.record(BAD, False)
    with pytest.raises(JudgeUnhealthyError):
        watched.check()


def test_a_floor_of_nought_never_halts() -> None:
    watched = watch(canary_floor=0)
    for _ in range(50):
        watched.record(BAD, False)
    watched.check()
