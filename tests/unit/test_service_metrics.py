"""What Prometheus reads of batches' costs."""

from dataclasses import replace

from service.metrics import Metrics
from workers.types import Price, Progress

BEFORE = Progress(9, completion_tokens=100, unaborted=1, engine_seconds=3600.0)
NOW = replace(
    BEFORE,
    accepted=2,
    rejected=1,
    rejected_by={"form": 1},
    prompt_tokens=50,
    completion_tokens=210,
    rejected_tokens=10,
    aborted=1,
    aborted_tokens=10,
    unaborted=2,
    grading_tokens=7,
    engine_seconds=9000.0,
    grading_engine_seconds=1800.0,
    grader_seconds=2.5,
)


def rendered(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if "_created" not in name}


def test_what_a_batch_spent_since_it_was_last_seen_is_added() -> None:
    metrics = Metrics(lambda: 1)
    metrics.observe(BEFORE, NOW, Price(2.0, "EUR"))
    found = rendered(metrics)
    assert found['winnow_tokens_total{kind="completion",tenant=""}'] == 110
    assert found['winnow_tokens_total{kind="grading",tenant=""}'] == 7
    assert found['winnow_rejected_tokens_total{tenant=""}'] == 10
    assert (
        found['winnow_aborted_total{tenant=""}'],
        found['winnow_aborted_tokens_total{tenant=""}'],
    ) == (1, 10)
    assert found['winnow_saved_tokens{tenant=""}'] == 90
    assert found['winnow_engine_seconds_total{tenant="",use="writing"}'] == 3600
    assert found['winnow_engine_seconds_total{tenant="",use="grading"}'] == 1800
    assert found['winnow_grader_seconds_total{tenant=""}'] == 2.5
    assert found['winnow_money_total{currency="EUR",tenant=""}'] == 3.0
    assert found['winnow_candidates_total{outcome="accepted",tenant=""}'] == 2
    assert found['winnow_rejections_total{grader="form",tenant=""}'] == 1


def test_without_a_price_there_is_no_money() -> None:
    metrics = Metrics(lambda: 0)
    metrics.observe(BEFORE, NOW)
    assert not any("money" in name and name[-1] == "}" for name in rendered(metrics))


def test_an_estimate_that_falls_is_followed() -> None:
    metrics = Metrics(lambda: 0)
    shorter = replace(NOW, unaborted=4)
    metrics.observe(BEFORE, NOW)
    metrics.observe(NOW, shorter)
    assert rendered(metrics)['winnow_saved_tokens{tenant=""}'] == 40


def test_what_tenants_spend_is_counted_apart() -> None:
    metrics = Metrics(lambda: 0)
    metrics.observe(BEFORE, NOW, tenant="acme")
    metrics.observe(BEFORE, replace(NOW, accepted=1), tenant="other")
    found = rendered(metrics)
    accepted = [
        found[f'winnow_candidates_total{{outcome="accepted",tenant="{name}"}}']
        for name in ("acme", "other")
    ]
    assert accepted == [2, 1]
