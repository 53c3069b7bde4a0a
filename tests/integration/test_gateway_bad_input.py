"""Whatever is sent: a clear problem, nothing half done, nothing lost."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from tests.integration.conftest import SHEETS, OpenGateway, fake
from tests.integration.test_gateway import finished, lines, request

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"recipe": "poem"}, 422, "essay, problem_set, dialogue"),
        ({"model": "gpt"}, 422, "there are: fake"),
        ({"colour": "red"}, 422, "colour: no such field"),
        ({"budget": {"max_euros": 1}}, 422, "budget.max_euros: no such field"),
        ({"sources": [{"text": "a", "title": "b"}]}, 422, "sources[0].title: no such field"),
        ({"count": 0}, 422, "count: "),
        ({"count": 1_000_000}, 422, "count: 1000000 is above "),
        ({"count": "many"}, 422, "count: "),
        ({"sources": []}, 422, "sources: "),
        ({"sources": ["fine", ""]}, 422, "sources[1]: is empty"),
        ({"sources": ["fine", "a\x00b"]}, 422, "sources[1]: is binary"),
        ({"sources": ["fine", "x" * 200_001]}, 422, "sources[1]: 200001 characters"),
        ({"sources": [7]}, 422, "sources[0]"),
        ({"protect": ["a"] * 100_001}, 422, "protect: 100001 of them are above the limit"),
        ({"sources": [{"id": "a\0b", "text": "x"}]}, 422, "U+0000 at character 1"),
        ({"metadata": {"k": "a\0b"}}, 422, "U+0000 at character 1"),
        ({"metadata": {"a\0b": "v"}}, 422, "U+0000 at character 1"),
        ({"gate": {"thresholds": {"form": 2}}}, 422, "gate.thresholds.form"),
        ({"gate": {"thresholds": {"beauty": 0.5}}}, 422, "form, consistency, novelty"),
        ({"seed": 2**70}, 422, "seed: "),
    ],
)
async def test_a_bad_request_is_refused_by_name_and_nothing_is_stored(
    gateway: httpx.AsyncClient, fields: dict[str, Any], status: int, named: str
) -> None:
    for path in ("/v1/batches", "/v1/samples"):
        response = await gateway.post(path, json=request(**fields))
        problem = response.json()
        assert response.status_code == problem["status"] == status
        assert response.headers["content-type"] == "application/problem+json"
        assert named in problem["detail"]
        assert problem["hint"] and problem["title"] and problem["instance"] == path
    assert (await gateway.get("/v1/batches")).json()["data"] == []


async def test_of_a_body_that_is_wrong_throughout_the_first_item_is_named(
    gateway: httpx.AsyncClient,
) -> None:
    response = await gateway.post("/v1/batches", json=request(sources=[0] * 50_000))
    assert response.status_code == 422 and len(response.content) < 1000


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b'{"recipe": "essay", "count": 1, "sources": ["caf\xe9"]}', 400, "not UTF-8"),
        (b'{"recipe": ', 400, "not JSON"),
        (b"", 422, "required"),
        (b"[1, 2]", 422, "dictionary"),
        (b'{"recipe": "essay", "count": 1, "sources": ["\\ud800"]}', 422, "sources[0]"),
        (
            b'{"recipe": "essay", "count": 1, "sources": [{"id": "\\udfff", "text": "x"}]}',
            422,
            "U+DFFF",
        ),
        (b'{"recipe": "essay", "count": NaN, "sources": ["a"]}', 422, "count"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(
    gateway: httpx.AsyncClient, body: bytes, status: int, named: str
) -> None:
    response = await gateway.post("/v1/batches", content=body, headers=JSON)
    assert response.status_code == status, response.text
    assert named in response.json()["detail"]


async def test_a_body_above_the_limit_is_refused_before_it_is_read(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway(max_body_bytes=1000) as http:
        response = await http.post("/v1/batches", json=request(sources=["x" * 1000]))
        assert response.status_code == 413 and "1000 bytes" in response.json()["detail"]
        assert response.json()["hint"]


async def test_more_than_fifty_at_once_are_sent_to_batches(gateway: httpx.AsyncClient) -> None:
    response = await gateway.post("/v1/samples", json=request(count=51))
    assert response.status_code == 422 and "/v1/batches" in response.json()["detail"]


async def test_what_is_not_there_is_a_problem_too(gateway: httpx.AsyncClient) -> None:
    for path in ("", "/samples", "/samples?follow=true", "/rejects", "/events"):
        response = await gateway.get(f"/v1/batches/batch_none{path}")
        assert response.status_code == 404 and "batch_none" in response.json()["detail"]
    assert (await gateway.post("/v1/batches/batch_none/cancel")).status_code == 404
    assert (await gateway.get("/v2")).json()["hint"]
    assert (await gateway.delete("/v1/batches")).status_code == 405


async def test_one_key_makes_one_batch(gateway: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    answers = await asyncio.gather(
        *(gateway.post("/v1/batches", json=request(), headers=key) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await gateway.post("/v1/batches", json=request(count=5), headers=key)
    assert other.status_code == 409 and "k1" in other.json()["detail"]
    assert len((await gateway.get("/v1/batches")).json()["data"]) == 1


async def test_sources_longer_than_the_context_are_left_out_or_fail_the_batch(
    open_gateway: OpenGateway,
) -> None:
    long = "A very long story about nothing at all. " * 300
    async with open_gateway(models=fake(context=600)) as http:
        some = (await http.post("/v1/batches", json=request(sources=[long, *SHEETS]))).json()["id"]
        batch = await finished(http, some)
        assert batch["status"] == "completed" and batch["request_counts"]["accepted"] == 4
        rejects = lines(await http.get(f"/v1/batches/{some}/rejects"))
        assert any((row["error"] or "").startswith("prompt_too_long") for row in rejects)
        none = (await http.post("/v1/batches", json=request(sources=[long]))).json()["id"]
        batch = await finished(http, none)
    assert (batch["status"], batch["stop_reason"]) == ("failed", "no_usable_source")
    assert "too long" in batch["message"]


async def test_a_broken_checkpoint_is_a_clear_503_and_nothing_is_stored(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    pytest.importorskip("transformers.models.auto.tokenization_auto")  # takes its own seconds
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    models = {
        "broken": {"kind": "transformers", "model": str(tmp_path / "broken")},
        **fake(),
    }
    async with open_gateway(models=models) as http:
        for response in (
            await http.post("/v1/batches", json=request(model="broken")),
            await http.get("/readyz"),
        ):
            assert response.status_code == 503, response.text
            assert "broken" in response.json()["detail"] and response.json()["hint"]
        assert (await http.get("/v1/batches")).json()["data"] == []
        assert (await http.get("/healthz")).status_code == 200
        answer = await http.post("/v1/samples", json=request(model="fake"))
        assert len(lines(answer)) == 4


async def test_a_full_disk_loses_nothing_and_the_batch_ends_when_there_is_room(
    open_gateway: OpenGateway,
) -> None:
    def limit(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 100").close()

    event.listen(Engine, "connect", limit)
    try:
        slow = fake(concurrency=2, latency_s=0.1)
        async with open_gateway(models=slow) as http:
            batch_id = (await http.post("/v1/batches", json=request(count=100))).json()["id"]
            while not lines(await http.get(f"/v1/batches/{batch_id}/samples")):
                await asyncio.sleep(0.05)
            big = request(sources=["x" * 100_000])
            while (response := await http.post("/v1/batches", json=big)).is_success:
                pass
            assert response.status_code == 507 and response.json()["hint"]
            before = lines(await http.get(f"/v1/batches/{batch_id}/samples"))
            assert (await http.get(f"/v1/batches/{batch_id}")).json()["status"] == "in_progress"
    finally:
        event.remove(Engine, "connect", limit)
    async with open_gateway() as http:
        batch = await finished(http, batch_id)
        after = lines(await http.get(f"/v1/batches/{batch_id}/samples"))
    assert batch["request_counts"]["accepted"] == len(after) == 100
    assert after[: len(before)] == before


async def test_a_file_that_is_no_database_stops_the_start(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    (tmp_path / "winnow.db").write_bytes(b"not a database at all, but quite long" * 100)
    with pytest.raises(Exception, match="not a database"):
        async with open_gateway():
            pass


async def test_an_id_that_no_database_takes_is_the_id_of_no_batch(
    gateway: httpx.AsyncClient,
) -> None:
    for path in ("a%00", "a%00/samples", "a%00/audit", "a%00/events"):
        assert (await gateway.get(f"/v1/batches/{path}")).status_code == 404
    assert (await gateway.post("/v1/batches/a%00/cancel")).status_code == 404
    assert (await gateway.get("/v1/batches?after=a%00")).status_code == 404
