"""Pooling learns how claims make a text, and refuses a file that it can't trust."""

import json
import random
from collections.abc import Callable
from math import log1p
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.entailment.pooling import (
    FEATURES,
    ClaimScore,
    LogisticPooling,
    PoolingRow,
    WorstClaim,
    features_of,
    fit_pooling,
    load_pooling,
    save_pooling,
)
from graders.errors import GraderConfigError

claim_scores = st.lists(
    st.builds(
        ClaimScore,
        probability=st.floats(0, 1),
        words=st.none() | st.floats(0, 1),
        numbers=st.integers(0, 3),
        names=st.integers(0, 3),
        wording=st.integers(0, 3),
    ),
    min_size=1,
    max_size=12,
)


def make_rows(count: int = 400, seed: int = 3) -> list[PoolingRow]:
    """Texts that are wrong when their worst claim is unlikely, save for noise."""
    source = random.Random(seed)
    rows = []
    for _ in range(count):
        claims = [ClaimScore(source.random() ** 0.3) for _ in range(source.randint(1, 6))]
        worst = min(claim.probability for claim in claims)
        supported = source.random() < (0.9 if worst > 0.5 else 0.1)
        rows.append(PoolingRow(features_of(claims, "prose"), supported))
    return rows


@pytest.fixture(scope="module")
def pooling() -> LogisticPooling:
    return fit_pooling(make_rows())


def test_the_worst_claim_decides_where_nothing_was_learned() -> None:
    claims = [ClaimScore(0.9), ClaimScore(0.2, numbers=1), ClaimScore(0.6)]
    assert WorstClaim().probability(features_of(claims, "prose")) == pytest.approx(0.2)


@given(claim_scores, st.integers(0, 9))
def test_features_do_not_depend_on_the_order_of_the_claims(
    claims: list[ClaimScore], names: int
) -> None:
    turned = features_of(claims[::-1], "json", names)
    assert features_of(claims, "json", names) == pytest.approx(turned)


def test_more_foreign_names_tell_less_each() -> None:
    place = FEATURES.index("foreign_names")
    told = [features_of([ClaimScore(0.5)], "prose", names)[place] for names in (0, 1, 3)]
    assert told == pytest.approx([0, log1p(1), log1p(3)])


@given(claim_scores, st.integers(0, 9))
def test_a_pooled_score_is_a_probability(
    pooling: LogisticPooling, claims: list[ClaimScore], names: int
) -> None:
    assert 0 <= pooling.probability(features_of(claims, "prose", names)) <= 1


def test_what_was_learned_tells_good_texts_from_bad_ones(pooling: LogisticPooling) -> None:
    fresh = make_rows(seed=4)
    right = sum((pooling.probability(r.features) > 0.5) == r.supported for r in fresh)
    assert right / len(fresh) > 0.8


def test_the_learned_probabilities_match_the_share_of_supported_texts(
    pooling: LogisticPooling,
) -> None:
    rows = make_rows()
    expected = sum(pooling.probability(row.features) for row in rows)
    assert expected == pytest.approx(sum(row.supported for row in rows), abs=0.01)


def test_a_feature_that_never_varies_carries_no_weight(pooling: LogisticPooling) -> None:
    assert pooling.weights[FEATURES.index("json")] == pytest.approx(0)


def test_rows_of_one_class_teach_nothing() -> None:
    with pytest.raises(ValueError, match="both supported and unsupported"):
        fit_pooling([row for row in make_rows() if row.supported])


def test_what_is_saved_is_read_back(pooling: LogisticPooling, tmp_path: Path) -> None:
    save_pooling(pooling, tmp_path)
    assert load_pooling(tmp_path) == pooling
    assert [path.name for path in tmp_path.iterdir()] == ["pooling.json"]


def test_without_a_file_the_worst_claim_decides(tmp_path: Path) -> None:
    assert load_pooling(tmp_path) == WorstClaim()


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.write_text("{"), "is damaged"),
        (lambda f: f.write_text("[]"), "is damaged"),
        (lambda f: change(f, format=1), "has format 1, this version reads 2"),
        (lambda f: change(f, features={"lowest": {}}), "is damaged"),
        (lambda f: change(f, bias=float("nan")), "not a finite number"),
    ],
)
def test_a_damaged_pooling_is_refused_with_what_to_do(
    pooling: LogisticPooling, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    save_pooling(pooling, tmp_path)
    damage(tmp_path / "pooling.json")
    with pytest.raises(GraderConfigError, match=message) as caught:
        load_pooling(tmp_path)
    assert "let the worst claim decide" in str(caught.value)


def test_a_row_that_counts_twice_is_as_two_rows() -> None:
    rows = make_rows(60)
    doubled = [PoolingRow(row.features, row.supported, 2.0) for row in rows]
    twice, weighted = fit_pooling([*rows, *rows]), fit_pooling(doubled)
    assert weighted.weights == pytest.approx(twice.weights)
    assert weighted.bias == pytest.approx(twice.bias)


def test_a_prior_holds_where_the_rows_say_little_and_yields_where_they_say_much() -> None:
    rows = [PoolingRow(tuple(float(n % 2) for _ in FEATURES), bool(n % 2)) for n in range(20)]
    prior = fit_pooling(rows, 1.0, only=("foreign",))
    kept = [w for name, w in zip(FEATURES, prior.weights, strict=True) if name != "foreign"]
    assert not any(kept) and prior.weights[FEATURES.index("foreign")] > 0
    turned = [PoolingRow(row.features, not row.supported) for row in rows]
    held = fit_pooling(turned, 1e6, prior=prior)
    assert held.weights == pytest.approx(prior.weights, abs=1e-3)
    yielding = fit_pooling(turned, 1e-3, prior=prior)
    assert sum(yielding.weights) < 0
