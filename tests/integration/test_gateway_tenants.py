"""A gateway that tells its tenants apart: keys, whose batches are whose, and who spent what."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest

from service.client import GatewayClient, GatewayError
from service.tenants import hash_of
from tests.integration.conftest import SHEETS, GatewayProcess, OpenGateway

ASKED = {"recipe": "essay", "count": 2, "sources": SHEETS, "seed": 1}
TENANTS = {name: {"key_sha256": [hash_of(f"key of {name}")]} for name in ("acme", "other")}
ACME, OTHER = ({"authorization": f"Bearer key of {name}"} for name in TENANTS)
CALLS = (
    ("GET", ""),
    ("POST", "/cancel"),
    ("GET", "/samples"),
    ("GET", "/rejects"),
    ("GET", "/events"),
    ("GET", "/audit"),
    ("POST", "/audit"),
    ("POST", "/audit/labels"),
)


@pytest.fixture
async def http(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with open_gateway(
        tenants=TENANTS, price_per_engine_hour=3600.0, currency="EUR"
    ) as client:
        yield client


async def ended(http: httpx.AsyncClient, headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    answer = await http.post("/v1/batches", json={**ASKED, **fields}, headers=headers)
    assert answer.status_code == 201, answer.text
    path = f"/v1/batches/{answer.json()['id']}"
    await http.get(f"{path}/samples", params={"follow": True}, headers=headers)
    batch: dict[str, Any] = (await http.get(path, headers=headers)).json()
    return batch


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer no"}, {"authorization": "Basic key of acme"}]
)
async def test_a_stranger_gets_no_answer_under_v1(
    http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    tried = 0
    for path, methods in paths.items():
        for method in methods:
            answer = await http.request(method, path, headers=headers, content=b"no json")
            if path.startswith("/v1/"):
                tried += 1
                assert answer.status_code == 401, path
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["type"] == "urn:winnow:problem:unauthorized"
                assert "winnow key" in answer.json()["hint"]
    assert tried > 15
    for open_to_all in ("/healthz", "/readyz", "/metrics"):
        assert (await http.get(open_to_all)).status_code == 200


async def test_a_batch_is_there_for_its_tenant_only(http: httpx.AsyncClient) -> None:
    batch = await ended(http, ACME)
    assert batch["tenant"] == "acme" and batch["status"] == "completed"
    unknown = await http.get("/v1/batches/batch_0", headers=OTHER)
    for method, path in CALLS:
        url = f"/v1/batches/{batch['id']}{path}"
        body = {"labels": [{"seq": 0, "correct": True}]} if path.endswith("labels") else None
        answer = await http.request(method, url, headers=OTHER, json=body)
        assert answer.status_code == 404, path
        assert answer.json()["type"] == unknown.json()["type"]
    listed = [
        [each["id"] for each in (await http.get("/v1/batches", headers=who)).json()["data"]]
        for who in (ACME, OTHER)
    ]
    assert listed == [[batch["id"]], []]


async def test_tenants_may_use_the_same_idempotency_key(http: httpx.AsyncClient) -> None:
    answers = [
        await http.post("/v1/batches", json=ASKED, headers={**who, "idempotency-key": "once"})
        for who in (ACME, OTHER, ACME)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 200]
    first, second, again = (answer.json()["id"] for answer in answers)
    assert first == again != second
    changed = await http.post(
        "/v1/batches", json={**ASKED, "count": 3}, headers={**OTHER, "idempotency-key": "once"}
    )
    assert changed.status_code == 409 and second in changed.json()["detail"]
    assert first not in changed.json()["detail"]


async def test_what_a_tenant_spent_is_in_the_costs_and_the_metrics(
    http: httpx.AsyncClient,
) -> None:
    mine = await ended(http, ACME)
    theirs = await ended(http, OTHER, recipe="problem_set", count=3)
    for who, batch in ((ACME, mine), (OTHER, theirs)):
        [row] = (await http.get("/v1/costs", headers=who)).json()["data"]
        assert row == {"tenant": batch["tenant"], **batch["cost"]}
        assert row["money"] > 0
    metrics = (await http.get("/metrics")).text
    found = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[0] != "#")
    for batch in (mine, theirs):
        name = f'{{currency="EUR",tenant="{batch["tenant"]}"}}'
        assert float(found[f"winnow_money_total{name}"]) == pytest.approx(batch["cost"]["money"])
        accepted = f'winnow_candidates_total{{outcome="accepted",tenant="{batch["tenant"]}"}}'
        assert float(found[accepted]) == batch["request_counts"]["accepted"]


async def test_samples_at_once_belong_to_who_asked(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/samples", json=ASKED, headers=OTHER)
    assert len(answer.text.splitlines()) == 2
    path = f"/v1/batches/{answer.headers['winnow-batch']}"
    codes = [(await http.get(path, headers=who)).status_code for who in (ACME, OTHER)]
    assert codes == [404, 200]


async def test_the_batches_of_a_gateway_that_was_open_are_nobodys(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway() as http:
        batch = await ended(http, {})
        assert batch["tenant"] is None
    async with open_gateway(tenants=TENANTS) as http:
        answer = await http.get(f"/v1/batches/{batch['id']}", headers=ACME)
        assert answer.status_code == 404
        assert (await http.get("/v1/costs", headers=ACME)).json()["data"] == []
    async with open_gateway() as http:
        [row] = (await http.get("/v1/costs")).json()["data"]
        assert (row["tenant"], row["accepted"]) == (None, 2)


async def test_the_client_sends_its_key(new_process: Callable[..., GatewayProcess]) -> None:
    gateway = new_process()
    gateway.environment["WINNOW_TENANTS"] = orjson.dumps(TENANTS).decode()
    await gateway.start()
    async with GatewayClient(gateway.url, "key of acme") as client:
        batch = await client.create_batch(ASKED)
        assert (await client.wait(batch["id"]))["tenant"] == "acme"
        assert [row["tenant"] for row in await client.costs()] == ["acme"]
    async with GatewayClient(gateway.url) as client:
        with pytest.raises(GatewayError, match="asks for a key") as refused:
            await client.costs()
    assert refused.value.status == 401
