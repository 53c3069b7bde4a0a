"""Calibrations that callers upload: graded, kept, used for their own batches, and forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from service.app import create_app
from service.cli import app as cli
from service.client import GatewayClient
from service.settings import load_settings
from tests.integration.conftest import GatewayProcess, OpenGateway, fake
from tests.integration.test_gateway import finished
from tests.integration.test_gateway_guarantee import calibration, guaranteed
from tests.integration.test_gateway_tenants import ACME, KEYED, OPERATOR, OTHER, TENANTS

Json = dict[str, Any]
GRADERS = {"consistency": {"model": None}}
PATH = "/v1/calibrations"


def labelled(number: int, **fields: Any) -> Json:
    """An essay about a river of its own; every third states another length."""
    wrong = number % 3 == 0
    length = 1000 + 7 * number
    return {
        "id": f"r{number}",
        "source_id": f"s{number}",
        "source": f"Name: River {number}\nKind: river\nLength: {length} km\nMouth: Lake {number}x",
        "text": f"Thesis: River {number} is a river.\n"
        f"Essay: The length of River {number} is {length + wrong} km.",
        "label": "wrong" if wrong else "right",
        "model": "fake",
        **fields,
    }


ROWS = [labelled(number) for number in range(120)]


def asked(rows: list[Any] = ROWS, **fields: Any) -> Json:
    return {"recipe": "essay", "rows": rows, **fields}


async def names(http: httpx.AsyncClient, **headers: Any) -> list[tuple[str, str, str]]:
    """Recipe, origin and name of every calibration that a caller is told of."""
    data = (await http.get(PATH, **headers)).json()["data"]
    return [(each["id"], each["origin"], each["name"]) for each in data]


@pytest.fixture
async def http(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with open_gateway(graders=GRADERS) as client:
        yield client


async def test_labelled_rows_become_the_certificate_of_batches(http: httpx.AsyncClient) -> None:
    refused = await http.post("/v1/batches", json=guaranteed(0.1))
    assert refused.status_code == 422 and "nor uploaded" in refused.json()["detail"]
    made = await http.post(PATH, json=asked(name="rivers"))
    assert made.status_code == 201, made.text
    found = made.json()
    assert found.pop("notices") == []
    assert (found["id"], found["object"], found["origin"]) == ("essay", "calibration", "uploaded")
    assert (found["name"], found["rows"], found["sources"]) == ("rivers", 120, 120)
    assert (found["wrong"], found["ungraded"], found["generators"]) == (40, 0, ["fake"])
    assert found["grading"]["model"] == "scripted"
    assert found["answers"][-1]["certified"] and not found["answers"][0]["certified"]
    assert (await http.get(PATH)).json()["data"] == [found]
    for path in ("/v1/batches", "/v1/samples"):
        assert (await http.post(path, json=guaranteed(0.1))).status_code in (200, 201)
    [latest, *_] = (await http.get("/v1/batches")).json()["data"]
    assert latest["certificate"]["calibration_set"] == "rivers"
    assert (await finished(http, latest["id"]))["status"] == "completed"


async def test_an_upload_outlives_the_gateway_and_hides_what_is_configured_until_deleted(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    configured = {"calibrations": {"essay": calibration(tmp_path / "essay.json")}}
    async with open_gateway(graders=GRADERS, **configured) as http:
        assert await names(http) == [("essay", "configured", "essays")]
        assert (await http.post(PATH, json=asked(name="first"))).status_code == 201
        assert (await http.post(PATH, json=asked(name="own"))).status_code == 201
    async with open_gateway(graders=GRADERS, **configured) as http:
        assert await names(http) == [("essay", "uploaded", "own")]
        batch = (await http.post("/v1/batches", json=guaranteed(0.1))).json()
        assert batch["certificate"]["calibration_set"] == "own"
        gone = await http.delete(f"{PATH}/essay")
        assert gone.json() == {"id": "essay", "object": "calibration", "deleted": True}
        assert await names(http) == [("essay", "configured", "essays")]
        batch = (await http.post("/v1/batches", json=guaranteed(0.1))).json()
        assert batch["certificate"]["calibration_set"] == "essays"
        for recipe in ("essay", "none", "a%00"):
            missing = await http.delete(f"{PATH}/{recipe}")
            assert missing.status_code == 404
            assert missing.json()["type"] == "urn:winnow:problem:calibration-not-found"


async def test_a_repeated_request_is_the_same_batch_though_the_calibration_has_changed(
    http: httpx.AsyncClient,
) -> None:
    assert (await http.post(PATH, json=asked(name="first"))).status_code == 201
    key = {"idempotency-key": "once"}
    first = (await http.post("/v1/batches", json=guaranteed(0.2), headers=key)).json()
    assert (await http.post(PATH, json=asked(ROWS[:100], name="second"))).status_code == 201
    again = await http.post("/v1/batches", json=guaranteed(0.2), headers=key)
    assert again.json()["id"] == first["id"]
    other = await http.post("/v1/batches", json=guaranteed(0.1), headers=key)
    assert other.status_code in (409, 422)
    await finished(http, first["id"])


async def test_models_on_a_cluster_are_not_loaded_into_the_gateway(
    open_gateway: OpenGateway,
) -> None:
    pytest.importorskip("ray")
    async with open_gateway(graders=GRADERS, backend={"kind": "ray"}) as http:
        refused = await http.post(PATH, json=asked())
        assert refused.status_code == 422 and "on a cluster" in refused.json()["detail"]
        row = {"id": "1", "text": "x", "source": "Name: y"}
        graded = await http.post("/v1/grade", json={"rows": [row], "model": "fake"})
        assert graded.status_code == 422 and "on a cluster" in graded.json()["detail"]


async def test_rows_that_come_graded_are_not_graded_again(http: httpx.AsyncClient) -> None:
    plain = [
        {"recipe": "essay", **{field: row[field] for field in ("id", "text", "source")}}
        for row in ROWS
    ]
    body = {"rows": plain, "graders": ["consistency"], "model": "fake"}
    results = (await http.post("/v1/grade", json=body)).json()["data"]
    given = [
        {**result, **{field: row[field] for field in ("source_id", "label", "model")}}
        for result, row in zip(results, ROWS, strict=True)
    ]
    anew = (await http.post(PATH, json=asked())).json()
    unasked = (await http.post(PATH, json=asked(given))).json()
    assert unasked["grading"]["model"] == "" and "asked none here" in unasked["notices"][0]
    refused = await http.post("/v1/batches", json=guaranteed(0.1))
    assert refused.status_code == 422 and "asked no model then" in refused.json()["detail"]
    said = (await http.post(PATH, json=asked(given, model="fake"))).json()
    assert said["grading"] == anew["grading"] and said["answers"] == anew["answers"]
    assert (await http.post("/v1/batches", json=guaranteed(0.1))).status_code == 201
    given[3]["grades"] = [{**given[3]["grades"][0], "version": "0"}]
    stale = await http.post(PATH, json=asked(given))
    assert stale.status_code == 422 and stale.json()["field"] == "rows[3]"


async def test_a_grader_that_may_ask_nobody_asks_nobody(open_gateway: OpenGateway) -> None:
    rules = {"consistency": {"model": None, "judge": False}}
    async with open_gateway(graders=rules, models=fake(failure_rate=1.0)) as http:
        made = await http.post(PATH, json=asked([{**row, "model": None} for row in ROWS]))
    assert made.status_code == 201 and made.json()["grading"]["model"] == ""
    [notice] = made.json()["notices"]
    assert "certificates will say that they assume it" in notice


FEW, RIGHT = ROWS[:6], [{**row, "label": "right"} for row in ROWS]
TORN = [*ROWS, {**ROWS[1], "id": "again", "label": "wrong"}]


@pytest.mark.parametrize(
    ("body", "field", "named"),
    [
        (asked(RIGHT), "rows", "every text is labelled right"),
        (asked(FEW), "rows", "18 sources are the least for an error rate of 20.0%"),
        (asked(ROWS[:4], confidence=0.5), "rows", "at confidence 50.0%"),
        (asked(TORN), "rows", '"drop_contradictions": true'),
        (asked([{**ROWS[0], "label": "so so"}]), "rows[0]", "has no label; write"),
        (asked([ROWS[0], {**ROWS[1], "text": 7}]), "rows[1]", "has neither a 'text'"),
        (asked([*ROWS, labelled(200, source=["x"])]), "rows[120]", "'source' must be a string"),
        (asked([*ROWS[:-1], {**ROWS[-1], "grades": []}]), "rows", "give all or none"),
        (asked([{**row, "grades": []} for row in ROWS]), "rows[0]", "no grade by consistency"),
        (asked([*ROWS, labelled(200, text="x" * 200_001)]), "rows[120].text", "200001 characters"),
        (asked([*ROWS, "a row"]), "rows[120]", "dictionary"),
        (asked([]), "rows", "at least 1 item"),
        (asked([ROWS[0]] * 10_001), "rows", "at most 10000 items"),
        (asked(recipe="poem"), "recipe", "essay, problem_set, dialogue"),
        (asked(grader="tone"), None, "unknown grader 'tone'"),
        (asked(grader="novelty"), "grader", "it can't be calibrated"),
        (asked(grader="answers"), "grader", "'answers' is no grader of essay; it uses: form,"),
        (asked(model="gpt"), "model", "there are: fake"),
        (asked(name="a\0b"), "name", "U+0000"),
        (asked(confidence=1), "confidence", "less than 1"),
        (asked(confidence=1e-30), "rows", "delta must lie between 0 and 1"),
        (asked(colour="red"), "colour", "no such field"),
    ],
)
async def test_what_cannot_be_a_calibration_is_refused_by_name_and_nothing_is_stored(
    http: httpx.AsyncClient, body: Json, field: str | None, named: str
) -> None:
    refused = await http.post(PATH, json=body)
    problem = refused.json()
    assert refused.status_code == 422, refused.text
    assert problem.get("field") == field and named in problem["detail"]
    assert problem["hint"] and problem["instance"] == PATH
    assert await names(http) == []


@pytest.mark.parametrize(
    ("field", "written", "named"),
    [
        ("text", rb'"\ud800"', "can't be written as UTF-8"),
        ("id", b"1" + b"0" * 400, "can't be written as UTF-8"),
        ("grades", b'[{"grader": "consistency", "score": NaN}]', "'grades' are not those of"),
        ("grades", b'[{"grader": "consistency", "score": 1e999}]', "'grades' are not those of"),
    ],
)
async def test_what_json_can_spell_and_nobody_can_keep_is_refused(
    http: httpx.AsyncClient, field: str, written: bytes, named: str
) -> None:
    rows = [{**row, field: "HERE"} if number == 3 else row for number, row in enumerate(ROWS)]
    content = orjson.dumps(asked(rows)).replace(b'"HERE"', written)
    refused = await http.post(PATH, content=content, headers={"content-type": "application/json"})
    assert refused.status_code == 422 and refused.json()["field"] == "rows[3]"
    assert named in refused.json()["detail"]
    assert await names(http) == []


async def test_contradictory_texts_count_as_wrong_where_that_is_asked_for(
    http: httpx.AsyncClient,
) -> None:
    made = await http.post(PATH, json=asked(TORN, drop_contradictions=True))
    assert made.status_code == 201 and made.json()["wrong"] == 42
    assert "contradictory labels count as wrong" in made.json()["notices"][0]


async def test_a_model_that_fails_leaves_the_calibration_that_there_was(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    broken = {"kind": "transformers", "model": str(tmp_path / "none")}
    async with open_gateway(graders=GRADERS, models={**fake(), "broken": broken}) as http:
        assert (await http.post(PATH, json=asked(name="first"))).status_code == 201
        failed = await http.post(PATH, json=asked(model="broken"))
        assert failed.status_code == 503 and failed.json()["hint"]
        assert await names(http) == [("essay", "uploaded", "first")]


async def test_a_tenants_calibration_is_used_for_and_shown_to_that_tenant_only(
    open_gateway: OpenGateway,
) -> None:
    callers = {"acme": ACME, "other": OTHER, "operator": OPERATOR}
    async with open_gateway(graders=GRADERS, **KEYED) as http:
        assert (await http.post(PATH, json=asked(name="acme"), headers=ACME)).status_code == 201
        for path in ("/v1/batches", "/v1/samples"):
            codes = [
                (await http.post(path, json=guaranteed(0.1), headers=who)).status_code
                for who in callers.values()
            ]
            assert codes[0] in (200, 201) and codes[1:] == [422, 422]
        assert await names(http, headers=OTHER) == await names(http, headers=OPERATOR) == []
        assert (await http.delete(f"{PATH}/essay", headers=OTHER)).status_code == 404
        for name, who in callers.items():
            assert (await http.post(PATH, json=asked(name=name), headers=who)).status_code == 201
        for name, who in callers.items():
            assert await names(http, headers=who) == [("essay", "uploaded", name)]
            batch = (await http.post("/v1/batches", json=guaranteed(0.1), headers=who)).json()
            assert batch["certificate"]["calibration_set"] == name
        assert (await http.delete(f"{PATH}/essay", headers=OPERATOR)).status_code == 200
        assert [await names(http, headers=who) for who in (ACME, OPERATOR)] == [
            [("essay", "uploaded", "acme")],
            [],
        ]


async def test_what_an_open_gateway_keeps_is_the_operators(open_gateway: OpenGateway) -> None:
    async with open_gateway(graders=GRADERS) as http:
        assert (await http.post(PATH, json=asked(name="open"))).status_code == 201
    async with open_gateway(graders=GRADERS, **KEYED) as http:
        assert await names(http, headers=OPERATOR) == [("essay", "uploaded", "open")]
        assert await names(http, headers=ACME) == []


async def test_nothing_is_kept_for_a_client_that_went_away(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/winnow.db"
    app = create_app(load_settings(database_url=database, models=fake(), graders=GRADERS))
    body = [{"type": "http.request", "body": orjson.dumps(asked())}]
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    answers: list[Any] = []

    async def receive() -> Any:
        return body.pop() if body else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answers.append(message)

    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
        runner = app.state.runner
        assert await runner.store.call(runner.store.calibrations.listed, "") == {}
    assert answers[0]["status"] == 408


async def test_the_command_uploads_for_its_key_and_prints_the_table(
    new_process: Callable[..., GatewayProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = new_process()
    gateway.environment["WINNOW_TENANTS"] = orjson.dumps(TENANTS).decode()
    gateway.environment["WINNOW_GRADERS"] = orjson.dumps(GRADERS).decode()
    await gateway.start()
    monkeypatch.chdir(tmp_path)
    Path("rivers.jsonl").write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    words = ["calibrate", "--in", "rivers.jsonl", "--url", gateway.url]

    async def run(*more: str, key: str = "key of acme") -> Any:
        environment = {"WINNOW_API_KEY": key}
        return await asyncio.to_thread(CliRunner().invoke, cli, [*words, *more], env=environment)

    made = await run("--recipe", "essay", "--delta", "0.1")
    assert made.exit_code == 0, made.stderr
    assert "120 texts of 120 sources, 40 of them wrong; consistency" in made.stderr
    assert "refused" in made.stderr and "10.0%" in made.stderr and "90.0%" in made.stderr
    refused = await run("--recipe", "poem")
    assert refused.exit_code == 2 and "unknown recipe 'poem'" in refused.stderr
    stranger = await run("--recipe", "essay", key="no")
    assert stranger.exit_code == 2 and "the key is nobody's here" in stranger.stderr
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        assert await names(http, headers=ACME) == [("essay", "uploaded", "rivers")]
        assert await names(http, headers=OTHER) == []
    async with GatewayClient(gateway.url, "key of acme") as client:
        assert (await client.delete_calibration("essay"))["deleted"]
        assert await client.names("calibrations") == []
