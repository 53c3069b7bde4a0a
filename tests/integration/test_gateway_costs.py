"""What samples cost, over HTTP, with the scripted engine."""

from typing import Any

import httpx

from tests.integration.conftest import SHEETS, OpenGateway, fake

ASKED = {"recipe": "essay", "count": 4, "sources": SHEETS, "seed": 1}
PRICED = {"price_per_engine_hour": 3600.0, "currency": "EUR"}


async def ended(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    batch_id = (await http.post("/v1/batches", json={**ASKED, **fields})).json()["id"]
    await http.get(f"/v1/batches/{batch_id}/samples", params={"follow": True})
    batch: dict[str, Any] = (await http.get(f"/v1/batches/{batch_id}")).json()
    return batch


async def test_a_batch_tells_its_cost_and_the_metrics_and_sums_agree(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway(models=fake(latency_s=0.02), **PRICED) as http:
        cost = (await ended(http))["cost"]
        assert cost["accepted"] == 4 and cost["candidates"] >= 4
        assert 0 < cost["engine_seconds"] < cost["elapsed_seconds"]
        assert 0 < cost["grading_engine_seconds"] < cost["engine_seconds"]
        assert abs(cost["money"] - cost["engine_seconds"]) < 1e-6 and cost["currency"] == "EUR"
        assert cost["per_accepted"]["money"] == cost["money"] / 4
        listed = (await http.get("/v1/batches")).json()["data"]
        assert listed[0]["cost"] == cost
        summed = {"object": "list", "data": [{"tenant": None, **cost}]}
        assert (await http.get("/v1/costs")).json() == summed
        metrics = (await http.get("/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[0] != "#")
    money = float(lines['winnow_money_total{currency="EUR",tenant=""}'])
    assert abs(money - cost["money"]) < 1e-6
    written = float(lines['winnow_tokens_total{kind="completion",tenant=""}'])
    assert written == cost["completion_tokens"]


async def test_the_texts_of_the_ledger_add_up_to_the_batchs_tokens(
    gateway: httpx.AsyncClient,
) -> None:
    cost = (batch := await ended(gateway))["cost"]
    path = f"/v1/batches/{batch['id']}"
    samples, rejects = [
        [httpx.Response(200, content=line).json() for line in found.text.splitlines()]
        for found in (await gateway.get(f"{path}/samples"), await gateway.get(f"{path}/rejects"))
    ]
    for name in ("prompt_tokens", "completion_tokens", "grading_tokens"):
        assert sum(row[name] for row in samples + rejects) == cost[name]
    refused = [row for row in rejects if row["outcome"] == "rejected"]
    assert sum(row["completion_tokens"] for row in refused) == cost["rejected_tokens"]
    stopped = [row for row in rejects if row["finish_reason"] == "aborted"]
    assert len(stopped) == cost["aborted"]
    assert (cost["money"], cost["currency"]) == (None, None)


async def test_a_budget_of_money_ends_a_batch(open_gateway: OpenGateway) -> None:
    async with open_gateway(models=fake(latency_s=0.05, concurrency=2), **PRICED) as http:
        batch = await ended(http, recipe="problem_set", count=500, budget={"max_money": 1.0})
    assert (batch["status"], batch["stop_reason"]) == ("completed", "max_money")
    assert 1.0 <= batch["cost"]["money"] < 3.0
    assert batch["budget"]["max_money"] == 1.0


async def test_a_budget_of_money_without_a_price_is_refused(gateway: httpx.AsyncClient) -> None:
    answer = await gateway.post("/v1/batches", json={**ASKED, "budget": {"max_money": 1}})
    assert answer.status_code == 422
    assert answer.json()["field"] == "budget.max_money"
    assert "price_per_engine_hour" in answer.json()["detail"]
