"""A gateway that tells its tenants apart: keys, whose batches are whose, and who spent what."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.app import create_app
from service.client import GatewayClient, GatewayError
from service.settings import ConfigurationError, load_settings
from service.tenants import hash_of
from tests.integration.conftest import SHEETS, GatewayProcess, OpenGateway, fake

ASKED = {"recipe": "essay", "count": 2, "sources": SHEETS, "seed": 1}
TENANTS = {name: {"key_sha256": [hash_of(f"key of {name}")]} for name in ("acme", "other")}
KEYED = {"tenants": TENANTS, "operator_key_sha256": [hash_of("key of all")]}
OPERATOR = {"authorization": "Bearer key of all"}
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
    async with open_gateway(**KEYED, price_per_engine_hour=3600.0, currency="EUR") as client:
        yield client


async def ended(http: httpx.AsyncClient, headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    answer = await http.post("/v1/batches", json={**ASKED, **fields}, headers=headers)
    assert answer.status_code == 201, answer.text
    path = f"/v1/batches/{answer.json()['id']}"
    await http.get(f"{path}/samples", params={"follow": True}, headers=headers)
    batch: dict[str, Any] = (await http.get(path, headers=headers)).json()
    return batch


async def answers(http: httpx.AsyncClient, who: dict[str, str], batch_id: str) -> str:
    """All rows of a batch that a caller may read."""
    path = f"/v1/batches/{batch_id}"
    found = [await http.get(f"{path}/{rows}", headers=who) for rows in ("samples", "rejects")]
    return "".join(answer.text for answer in found)


def samples_in(told: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in told.splitlines()]


def evidence_in(row: dict[str, Any]) -> list[dict[str, Any]]:
    grades = [grade for grade in row["grades"] if grade["grader"] == "novelty"]
    return [item for grade in grades for item in grade["evidence"]]


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
    for open_to_all in ("/healthz", "/readyz"):
        assert (await http.get(open_to_all)).status_code == 200
    for given in (headers, ACME):
        assert (await http.get("/metrics", headers=given)).status_code == 401


async def test_the_operator_sees_all(http: httpx.AsyncClient) -> None:
    batch = await ended(http, ACME)
    path = f"/v1/batches/{batch['id']}"
    assert (await http.get(path, headers=OPERATOR)).json()["tenant"] == "acme"
    own = await ended(http, OPERATOR)
    assert own["tenant"] is None
    rows = (await http.get("/v1/costs", headers=OPERATOR)).json()["data"]
    assert [row["tenant"] for row in rows] == ["acme", None]
    assert (await http.get(f"/v1/batches/{own['id']}", headers=ACME)).status_code == 404


async def test_a_key_is_asked_for_wherever_the_gateway_is_mounted(tmp_path: Path) -> None:
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/m.db", models=fake(), **KEYED)
    app = create_app(settings)
    below, beside = (httpx.ASGITransport(app, root_path=root) for root in ("/winnow", "/m"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=below, base_url="http://gateway") as http,
        httpx.AsyncClient(transport=beside, base_url="http://gateway") as other,
    ):
        for path in ("/winnow/v1/models", "/winnow/v1/batches", "/winnow/metrics"):
            assert (await http.get(path)).status_code == 401
        assert (await http.get("/winnow/v1/models", headers=ACME)).status_code == 200
        assert (await other.get("/metrics", headers=OPERATOR)).status_code == 200


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
    metrics = (await http.get("/metrics", headers=OPERATOR)).text
    found = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[0] != "#")
    for batch in (mine, theirs):
        name = f'{{currency="EUR",tenant="{batch["tenant"]}"}}'
        assert float(found[f"winnow_money_total{name}"]) == pytest.approx(batch["cost"]["money"])
        accepted = f'winnow_candidates_total{{outcome="accepted",tenant="{batch["tenant"]}"}}'
        assert float(found[accepted]) == batch["request_counts"]["accepted"]


async def test_nothing_that_a_tenant_has_is_shown_to_another(http: httpx.AsyncClient) -> None:
    mine = await ended(http, ACME, count=6)
    theirs = await ended(http, OTHER, count=6, budget={"max_candidates": 60})
    told = await answers(http, OTHER, theirs["id"])
    assert "of another tenant" in told and mine["id"] not in told
    path = f"/v1/batches/{theirs['id']}/audit"
    assert (await http.post(path, headers=OTHER)).status_code == 200
    audited = (await http.get(path, params={"samples": True}, headers=OTHER)).json()
    rows = [*samples_in(told), *audited["draws"]]
    assert mine["id"] not in str(audited)
    kept = [row["text"] for row in samples_in(await answers(http, ACME, mine["id"]))]
    shown = " ".join(item["against"] or "" for row in rows for item in evidence_in(row))
    assert kept and not any(text[at : at + 40] in shown for text in kept for at in (0, 60))
    seen = await answers(http, OPERATOR, mine["id"])
    assert mine["id"] in seen


async def test_the_same_idempotency_key_draws_other_seeds_for_another_tenant(
    http: httpx.AsyncClient,
) -> None:
    body = {name: value for name, value in ASKED.items() if name != "seed"}
    seeds = [
        (await http.post("/v1/batches", json=body, headers={**who, "idempotency-key": "k"})).json()[
            "seed"
        ]
        for who in (ACME, OTHER, ACME)
    ]
    assert seeds[0] == seeds[2] != seeds[1]


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


async def test_a_gateway_without_keys_does_not_serve_what_tenants_have(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway(**KEYED) as http:
        await ended(http, ACME)
    with pytest.raises(ConfigurationError, match="no key is configured"):
        async with open_gateway():
            pytest.fail("it serves")
    async with open_gateway(operator_key_sha256=KEYED["operator_key_sha256"]) as http:
        assert (await http.get("/v1/batches")).status_code == 401
        assert len((await http.get("/v1/batches", headers=OPERATOR)).json()["data"]) == 1


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
