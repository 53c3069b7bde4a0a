"""What the gateway promises over HTTP, with the scripted engine."""

import asyncio
import io
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from graders.config import GradersConfig, NoveltyConfig
from graders.novelty import ProtectedTexts, protect_now
from graders.row_grader import RowGrader, grade_rows
from service.errors import StreamBrokenError
from service.negotiation import PARQUET
from tests.integration.conftest import SHEETS, OpenGateway, fake
from workers.engines.base import Engine
from workers.engines.pool import EnginePool
from workers.errors import EngineUnavailableError

Json = dict[str, Any]


def request(**fields: Any) -> Json:
    return {"recipe": "essay", "count": 4, "sources": SHEETS, **fields}


async def finished(http: httpx.AsyncClient, batch_id: str) -> Json:
    """The batch after its end, which the end of the follow stream marks."""
    await http.get(f"/v1/batches/{batch_id}/samples", params={"follow": True})
    return (await http.get(f"/v1/batches/{batch_id}")).json()


async def accepted(http: httpx.AsyncClient, batch_id: str, count: int) -> None:
    """Until the batch has this many samples."""
    while (await http.get(f"/v1/batches/{batch_id}")).json()["request_counts"]["accepted"] < count:
        await asyncio.sleep(0.02)


def lines(response: httpx.Response) -> list[Json]:
    assert response.status_code == 200, response.text
    return [orjson.loads(line) for line in response.text.splitlines()]


@pytest.mark.parametrize("recipe", ["essay", "problem_set", "dialogue"])
async def test_a_batch_gets_exactly_what_was_asked_for_and_accounts_for_the_rest(
    gateway: httpx.AsyncClient, recipe: str
) -> None:
    created = await gateway.post("/v1/batches", json=request(recipe=recipe, metadata={"a": "b"}))
    assert created.status_code == 201
    batch_id = created.json()["id"]
    assert created.headers["location"] == f"/v1/batches/{batch_id}"
    samples = lines(await gateway.get(f"/v1/batches/{batch_id}/samples?follow=true"))
    batch = (await gateway.get(f"/v1/batches/{batch_id}")).json()
    rejects = lines(await gateway.get(f"/v1/batches/{batch_id}/rejects"))
    assert batch["status"] == "completed" and batch["stop_reason"] == "count_reached"
    assert batch["metadata"] == {"a": "b"} and batch["certificate"] is None
    counts = batch["request_counts"]
    assert counts["total"] == counts["accepted"] == len(samples) == 4
    assert len(rejects) == counts["rejected"] + counts["failed"]
    seqs = [row["seq"] for row in samples]
    assert seqs == sorted(seqs)
    assert sorted(seqs + [row["seq"] for row in rejects]) == list(range(4 + len(rejects)))
    assert all(grade["passed"] for row in samples for grade in row["grades"])
    assert all(row["reasons"] or row["error"] for row in rejects)
    assert batch["cost"]["per_accepted"]["candidates"] == (4 + len(rejects)) / 4


async def test_samples_resume_after_a_seq_and_events_end_with_the_batch(
    gateway: httpx.AsyncClient,
) -> None:
    batch_id = (await gateway.post("/v1/batches", json=request())).json()["id"]
    events = (await gateway.get(f"/v1/batches/{batch_id}/events")).text
    assert "event: progress" in events
    assert orjson.loads(events.rsplit("data: ", 1)[1])["status"] == "completed"
    rows = lines(await gateway.get(f"/v1/batches/{batch_id}/samples"))
    path = f"/v1/batches/{batch_id}/samples?after={rows[1]['seq']}"
    assert lines(await gateway.get(path)) == rows[2:]


async def test_samples_come_as_parquet_by_accept(gateway: httpx.AsyncClient) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    batch_id = (await gateway.post("/v1/batches", json=request())).json()["id"]
    await finished(gateway, batch_id)
    path = f"/v1/batches/{batch_id}/samples"
    response = await gateway.get(path, headers={"accept": "application/vnd.apache.parquet"})
    table = parquet.read_table(io.BytesIO(response.content))
    rows = lines(await gateway.get(path))
    assert table.column("text").to_pylist() == [row["text"] for row in rows]


async def test_a_few_samples_come_in_one_request(gateway: httpx.AsyncClient) -> None:
    response = await gateway.post("/v1/samples", json=request(count=3))
    assert len(lines(response)) == 3
    batch = (await gateway.get(f"/v1/batches/{response.headers['winnow-batch']}")).json()
    assert batch["status"] == "completed"


async def test_own_texts_are_graded_in_order(gateway: httpx.AsyncClient) -> None:
    rows = [
        {"id": "right", "text": "The length of Aldra is 412 km.", "source": SHEETS[0]},
        {"id": "wrong", "text": "The length of Aldra is 999 km.", "source": SHEETS[0]},
        {"id": "again", "text": "The length of Aldra is 412 km.", "source": SHEETS[0]},
    ]
    graders = ["form", "consistency", "novelty"]
    answer = await gateway.post("/v1/grade", json={"rows": rows, "graders": graders})
    data = answer.json()["data"]
    assert [row["id"] for row in data] == ["right", "wrong", "again"]
    assert data[1]["verdict"] == "rejected" and "999" in data[1]["reasons"][0]
    bad = await gateway.post("/v1/grade", json={"rows": [{"id": 1, "txt": "a"}]})
    assert bad.status_code == 422 and "txt" in bad.json()["detail"]
    escaped = b'{"rows": [{"id": "\\ud800", "text": "a"}]}'
    headers = {"content-type": "application/json"}
    surrogate = await gateway.post("/v1/grade", content=escaped, headers=headers)
    assert surrogate.status_code == 422 and surrogate.json()["field"] == "rows[0]"


async def test_grading_asks_a_model_only_where_one_is_named(open_gateway: OpenGateway) -> None:
    rows = [
        {"id": 1, "text": "Answer: 12", "question": "What is 17 * 23?"},
        {"id": 2, "text": "Aldra is 412 km long.", "source": SHEETS[0], "question": "How long?"},
    ]
    async with open_gateway(models={"gone": {"kind": "transformers", "model": "/gone"}}) as http:
        unsolved, sourced = (await http.post("/v1/grade", json={"rows": rows})).json()["data"]
        named = await http.post("/v1/grade", json={"rows": rows, "model": "gone"})
    here = [row async for row in grade_rows(rows, RowGrader(GradersConfig()))]
    assert [unsolved, sourced] == orjson.loads(orjson.dumps(here))
    assert unsolved["reasons"][0].startswith("answers: no model to solve the problem again")
    assert [grade["grader"] for grade in sourced["grades"]] == ["form", "consistency", "novelty"]
    assert named.status_code == 503


@pytest.mark.parametrize("field", ["text", "source", "question", "gold"])
async def test_a_row_to_grade_is_held_to_the_size_of_a_source(
    open_gateway: OpenGateway, field: str
) -> None:
    async with open_gateway(max_source_chars=50) as http:
        rows = [{"id": 1, "text": "fine"}, {"id": 2, "text": "fine", field: "x" * 51}]
        refused = await http.post("/v1/grade", json={"rows": rows})
    assert refused.status_code == 422
    assert f"rows[1].{field}: 51 characters" in refused.json()["detail"]


async def test_what_there_is_can_be_asked_for(gateway: httpx.AsyncClient) -> None:
    names = {
        kind: [item["id"] for item in (await gateway.get(f"/v1/{kind}")).json()["data"]]
        for kind in ("models", "recipes", "graders")
    }
    assert names["models"] == ["fake"]
    assert {"essay", "problem_set", "dialogue", "answer"} == set(names["recipes"])
    assert {"form", "answers", "consistency", "novelty"} <= set(names["graders"])
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert (await gateway.get(path)).status_code == 200, path
    assert 'href="docs"' in (await gateway.get("/")).text


async def test_metrics_count_every_candidate(gateway: httpx.AsyncClient) -> None:
    batch_id = (await gateway.post("/v1/batches", json=request())).json()["id"]
    counts = (await finished(gateway, batch_id))["request_counts"]
    text = (await gateway.get("/metrics")).text
    for outcome in ("accepted", "rejected", "failed"):
        assert (
            f'winnow_candidates_total{{outcome="{outcome}",tenant=""}} {counts[outcome]}.0' in text
        )


async def test_batches_are_listed_newest_first_and_paged(gateway: httpx.AsyncClient) -> None:
    made = [
        (await gateway.post("/v1/batches", json=request(count=1))).json()["id"] for _ in range(3)
    ]
    page = (await gateway.get("/v1/batches?limit=2")).json()
    assert [batch["id"] for batch in page["data"]] == made[:0:-1] and page["has_more"]
    rest = (await gateway.get(f"/v1/batches?after={page['last_id']}")).json()
    assert [batch["id"] for batch in rest["data"]] == made[:1] and not rest["has_more"]


async def test_a_cancelled_batch_ends_and_keeps_what_it_has(open_gateway: OpenGateway) -> None:
    async with open_gateway(models=fake(latency_s=0.05, concurrency=2)) as http:
        batch_id = (await http.post("/v1/batches", json=request(count=1000))).json()["id"]
        await accepted(http, batch_id, 1)
        assert (await http.post(f"/v1/batches/{batch_id}/cancel")).status_code == 200
        batch = await finished(http, batch_id)
        samples = lines(await http.get(f"/v1/batches/{batch_id}/samples"))
        assert (await http.post(f"/v1/batches/{batch_id}/cancel")).json() == batch
    assert batch["status"] == "cancelled"
    assert len(samples) == batch["request_counts"]["accepted"] < 1000


async def test_batches_above_the_limit_wait_and_can_be_cancelled_while_they_do(
    open_gateway: OpenGateway,
) -> None:
    slow = fake(latency_s=0.05, concurrency=2)
    async with open_gateway(models=slow, max_running_batches=1) as http:
        first = (await http.post("/v1/batches", json=request(count=1000))).json()["id"]
        await accepted(http, first, 1)
        second = (await http.post("/v1/batches", json=request(count=1))).json()["id"]
        await accepted(http, first, 10)
        assert (await http.get(f"/v1/batches/{second}")).json()["status"] == "validating"
        await http.post(f"/v1/batches/{second}/cancel")
        assert (await finished(http, second))["status"] == "cancelled"
        third = (await http.post("/v1/batches", json=request(count=1))).json()["id"]
        await http.post(f"/v1/batches/{first}/cancel")
        assert (await finished(http, third))["status"] == "completed"


async def test_a_spent_budget_ends_a_batch_with_what_it_has_or_fails_it(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway(models=fake(wrong_rate=1.0)) as http:
        budget = {"max_candidates": 20}
        for on_exhausted, status in (("return_partial", "completed"), ("fail", "failed")):
            body = request(budget=budget, on_exhausted=on_exhausted)
            batch_id = (await http.post("/v1/batches", json=body)).json()["id"]
            batch = await finished(http, batch_id)
            assert (batch["status"], batch["stop_reason"]) == (status, "max_candidates")
            assert sum(batch["request_counts"].values()) == 4 + 20


async def test_a_batch_is_stored_while_its_model_still_loads_and_a_key_finds_it_again(
    open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.runner.FAIL_FAST_SECONDS", 0.05)
    loading = asyncio.Event()

    async def slow(self: EnginePool, name: str) -> Engine:
        await loading.wait()
        return await get(self, name)

    get = EnginePool.get
    monkeypatch.setattr(EnginePool, "get", slow)
    key = {"idempotency-key": "k"}
    async with open_gateway() as http:
        made = await http.post("/v1/batches", json=request(), headers=key)
        again = await http.post("/v1/batches", json=request(), headers=key)
        assert (made.status_code, again.status_code) == (201, 200)
        batch_id = made.json()["id"]
        loading.set()
        assert (await finished(http, batch_id))["status"] == "completed"


async def test_a_key_finds_its_batch_while_the_model_is_down(
    open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"idempotency-key": "k"}
    async with open_gateway() as http:
        batch_id = (await http.post("/v1/batches", json=request(), headers=key)).json()["id"]
        await finished(http, batch_id)

    async def down(self: EnginePool, name: str) -> Engine:
        raise EngineUnavailableError("the model is down")

    monkeypatch.setattr(EnginePool, "get", down)
    async with open_gateway() as http:
        again = await http.post("/v1/batches", json=request(), headers=key)
        other = await http.post("/v1/batches", json=request())
        assert (again.status_code, again.json()["id"]) == (200, batch_id)
        assert other.status_code == 503
        assert [each["id"] for each in (await http.get("/v1/batches")).json()["data"]] == [batch_id]


async def test_texts_of_protect_files_are_made_ready_once_and_not_in_the_event_loop(
    open_gateway: OpenGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "exam.txt"
    path.write_text("An exam question of some words that nobody may repeat.")
    made: list[str] = []

    def watched(texts: Iterable[str], config: NoveltyConfig) -> ProtectedTexts:
        made.append(threading.current_thread().name)
        return protect_now(texts, config)

    monkeypatch.setattr("service.runner.protect_now", watched)
    async with open_gateway(protect_files=[str(path)]) as http:
        for _ in range(2):
            row = {"id": "a", "text": path.read_text(), "source": "x"}
            graded = await http.post("/v1/grade", json={"rows": [row], "graders": ["novelty"]})
            assert graded.json()["data"][0]["verdict"] == "rejected"
            batch_id = (await http.post("/v1/batches", json=request())).json()["id"]
            await finished(http, batch_id)
    assert len(made) == 1 and made[0] != threading.main_thread().name


@pytest.mark.parametrize("accept", ["text/csv", "application/json", f"{PARQUET};q=0"])
async def test_a_representation_that_there_is_not_is_no_other(
    gateway: httpx.AsyncClient, accept: str
) -> None:
    batch_id = (await gateway.post("/v1/batches", json=request())).json()["id"]
    for kind in ("samples", "rejects"):
        answer = await gateway.get(f"/v1/batches/{batch_id}/{kind}", headers={"accept": accept})
        assert answer.status_code == answer.json()["status"] == 406
        assert "application/x-ndjson" in answer.json()["detail"]
    answer = await gateway.post("/v1/samples", json=request(), headers={"accept": accept})
    assert answer.status_code == 406


async def test_parquet_can_not_be_followed(gateway: httpx.AsyncClient) -> None:
    batch_id = (await gateway.post("/v1/batches", json=request())).json()["id"]
    path = f"/v1/batches/{batch_id}/samples?follow=true"
    answer = await gateway.get(path, headers={"accept": PARQUET})
    assert answer.status_code == 406 and "follow" in answer.json()["hint"]


async def test_a_synchronous_shortfall_that_is_not_allowed_breaks_the_stream_off(
    gateway: httpx.AsyncClient,
) -> None:
    body = request(count=50, budget={"max_candidates": 5}, on_exhausted="fail")
    with pytest.raises(StreamBrokenError, match=r"is failed: .* max_candidates"):
        await gateway.post("/v1/samples", json=body)
    partial = await gateway.post("/v1/samples", json={**body, "on_exhausted": "return_partial"})
    assert 0 < len(lines(partial)) < 50
