"""An error rate that is guaranteed, or refused with the best there is; audits over HTTP."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from graders.calibration.certificate import ASSUMPTION
from graders.calibration.scored_set import ScoredSet, ScoredText, write_scored_set
from service.certificates import grading_by
from service.settings import load_settings
from tests.integration.conftest import OpenGateway, fake
from tests.integration.test_gateway import finished, lines, request

Json = dict[str, Any]
GRADERS = {"consistency": {"model": None}}


def calibration(
    path: Path, sources: int = 300, generators: tuple[str, ...] = (), **grading: Any
) -> Path:
    """A set of one text a source: of those that score below 0.7, half are wrong."""
    draw = random.Random(0)
    texts = []
    for number in range(sources):
        score = draw.random()
        right = score >= 0.7 or draw.random() > 0.5
        texts.append(ScoredText(score, right, f"s{number}"))
    here = grading_by(load_settings(models=fake(), graders=GRADERS), "consistency", "fake")
    made = replace(here, **grading)
    write_scored_set(path, ScoredSet("essays", "essay", made, generators, 1.0, tuple(texts)))
    return path


def guaranteed(rate: float, **gate: Any) -> Json:
    return request(gate={"max_error_rate": rate, **gate})


async def test_a_batch_gets_the_threshold_and_the_certificate_for_its_error_rate(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    path = calibration(tmp_path / "essay.json")
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        created = await http.post("/v1/batches", json=guaranteed(0.1, confidence=0.9))
        assert created.status_code == 201, created.text
        batch = await finished(http, created.json()["id"])
        again = (await http.get(f"/v1/batches/{batch['id']}")).json()
        streamed = await http.post("/v1/samples", json=guaranteed(0.1))
        [listed] = (await http.get("/v1/calibrations")).json()["data"]
    certificate = batch["certificate"]
    assert batch["status"] == "completed" and again["certificate"] == certificate
    assert (certificate["bound"], certificate["confidence"]) == (0.1, 0.9)
    assert certificate["calibration_set"] == "essays" and certificate["sources"] == 300
    assert "exchangeable" in certificate["assumption"]
    assert batch["thresholds"] == {"consistency": certificate["threshold"]}
    assert len(lines(streamed)) == 4
    assert listed["id"] == "essay" and listed["answers"][-1]["certified"]
    assert not listed["answers"][0]["certified"] and listed["answers"][0]["best_bound"] < 0.1


async def test_the_same_request_under_the_same_key_is_the_same_batch(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    path = calibration(tmp_path / "essay.json")
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        headers = {"idempotency-key": "k"}
        first = await http.post("/v1/batches", json=guaranteed(0.1), headers=headers)
        second = await http.post("/v1/batches", json=guaranteed(0.1), headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)


async def test_what_cannot_be_honoured_is_refused_with_the_best_bound(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    path = calibration(tmp_path / "essay.json")
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        for where in ("/v1/batches", "/v1/samples"):
            refused = await http.post(where, json=guaranteed(0.001))
            problem = refused.json()
            assert refused.status_code == 422
            assert problem["type"] == "urn:winnow:problem:not-certifiable"
            assert problem["field"] == "gate.max_error_rate"
            best = problem["refusal"]["best_bound"]
            assert 0.001 < best < 0.1 and f"{best:.1%}" in problem["detail"]
        assert (await http.get("/v1/batches")).json()["data"] == []
        assert (await http.post("/v1/batches", json=guaranteed(best))).status_code == 201


@pytest.mark.parametrize(
    ("grading", "named"),
    [
        ({"version": "0"}, "it was made with consistency 0, here it is"),
        ({"model": "some-llm"}, "consistency asked some-llm then, and asks scripted here"),
        ({"options": {"judge": False}}, "other options then: "),
        ({"grader": "answers", "version": "1"}, "answers, which is no grader of essay"),
    ],
)
async def test_a_calibration_of_another_grading_is_refused(
    open_gateway: OpenGateway, tmp_path: Path, grading: Json, named: str
) -> None:
    path = calibration(tmp_path / "essay.json", **grading)
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        refused = await http.post("/v1/batches", json=guaranteed(0.1))
    assert refused.status_code == 422
    assert named in refused.json()["detail"] and "calibrate anew" in refused.json()["detail"]


async def test_a_calibration_of_another_models_texts_is_refused(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    path = calibration(tmp_path / "essay.json", generators=("big-llm", "other"))
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        for where in ("/v1/batches", "/v1/samples"):
            refused = await http.post(where, json=guaranteed(0.1))
            problem = refused.json()
            assert refused.status_code == 422
            assert problem["type"] == "urn:winnow:problem:not-certifiable"
            assert problem["field"] == "gate.max_error_rate"
            told = "texts are by big-llm, other, none by fake (scripted): label texts of this model"
            assert told in problem["detail"]
        assert (await http.get("/v1/batches")).json()["data"] == []


@pytest.mark.parametrize(
    ("generators", "assumed"),
    [
        (("fake",), None),
        (("scripted",), None),
        ((), "does not say which model wrote its texts: that it was this batch's, fake, is"),
        (("a", "fake"), "texts are by a, fake together: that those of this batch's model, fake,"),
    ],
)
async def test_a_certificate_says_what_it_assumes_of_the_generator(
    open_gateway: OpenGateway,
    tmp_path: Path,
    generators: tuple[str, ...],
    assumed: str | None,
) -> None:
    path = calibration(tmp_path / "essay.json", generators=generators)
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        created = (await http.post("/v1/batches", json=guaranteed(0.1))).json()
        certificate = created["certificate"]
    assert certificate["generators"] == list(generators)
    assert (certificate["assumption"] == ASSUMPTION) == (assumed is None)
    assert (assumed or "exchangeable") in certificate["assumption"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (guaranteed(0.1, thresholds={"consistency": 0.5}), "is chosen by gate.max_error_rate"),
        (request(gate={"confidence": 0.9}), "goes with gate.max_error_rate"),
        (guaranteed(1.5), "gate.max_error_rate"),
        ({**guaranteed(0.1), "recipe": "dialogue"}, "no calibration is configured for dialogue"),
    ],
)
async def test_a_gate_that_makes_no_sense_is_refused_by_name(
    open_gateway: OpenGateway, tmp_path: Path, body: Json, named: str
) -> None:
    path = calibration(tmp_path / "essay.json")
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        refused = await http.post("/v1/batches", json=body)
    assert refused.status_code == 422 and named in refused.json()["detail"]


async def test_a_damaged_calibration_is_told_and_other_batches_run(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    path = calibration(tmp_path / "essay.json")
    path.write_bytes(path.read_bytes()[:-40])
    async with open_gateway(calibrations={"essay": path}, graders=GRADERS) as http:
        refused = await http.post("/v1/batches", json=guaranteed(0.1))
        assert refused.status_code == 503 and "damaged" in refused.json()["detail"]
        assert (await http.post("/v1/batches", json=request())).status_code == 201


async def test_an_audit_is_drawn_labelled_and_bounded(gateway: httpx.AsyncClient) -> None:
    batch_id = (await gateway.post("/v1/batches", json=request(count=12))).json()["id"]
    path = f"/v1/batches/{batch_id}/audit"
    early = await gateway.get(path)
    assert early.status_code == 409 and "draw one first" in early.json()["detail"]
    await finished(gateway, batch_id)
    drawn = (await gateway.post(path, json={"count": 8, "seed": 3})).json()
    seqs = [item["seq"] for item in drawn["draws"]]
    samples = lines(await gateway.get(f"/v1/batches/{batch_id}/samples"))
    texts = {row["seq"]: row["text"] for row in samples}
    assert len(set(seqs)) == 8 and all(
        item["text"] == texts[item["seq"]] for item in drawn["draws"]
    )
    assert drawn["draws"][0]["source"] and drawn["draws"][0]["grades"]
    assert drawn["bound"]["most_wrong"] == drawn["bound"]["population"] == 12
    same = (await gateway.post(path, json={"count": 5})).json()
    assert [item["seq"] for item in same["draws"]] == seqs

    labels = [{"seq": seq, "correct": n != 2} for n, seq in enumerate(seqs)]
    later = await gateway.post(f"{path}/labels", json={"labels": labels[4:6]})
    assert later.json()["bound"]["labelled"] == 0 and later.json()["out_of_order"] == 2
    await gateway.post(f"{path}/labels", json={"labels": labels})
    audit = (await gateway.get(path, params={"confidence": 0.9})).json()
    assert (audit["bound"]["labelled"], audit["bound"]["wrong"]) == (8, 1)
    assert 1 <= audit["bound"]["most_wrong_as_planned"] <= audit["bound"]["most_wrong"] <= 5
    more = (await gateway.post(path, json={"count": 12})).json()
    assert [item["seq"] for item in more["draws"]][:8] == seqs and more["bound"]["planned"] == 8


async def test_an_audit_refuses_what_would_spoil_it(gateway: httpx.AsyncClient) -> None:
    batch_id = (await gateway.post("/v1/batches", json=request())).json()["id"]
    path = f"/v1/batches/{batch_id}/audit"
    await finished(gateway, batch_id)
    seqs = [item["seq"] for item in (await gateway.post(path, json={"seed": 1})).json()["draws"]]
    other = next(n for n in range(1000) if n not in seqs)
    first = {"seq": seqs[0], "correct": True}
    await gateway.post(f"{path}/labels", json={"labels": [first]})
    for status, where, body, named in (
        (409, path, {"count": 5}, "has 4 samples"),
        (409, path, {"seed": 2}, "drawn with seed 1"),
        (409, f"{path}/labels", {"labels": [{"seq": other, "correct": True}]}, "was not drawn"),
        (
            409,
            f"{path}/labels",
            {"labels": [{**first, "correct": False}]},
            "labelled right already",
        ),
        (422, f"{path}/labels", {"labels": [first, {**first, "correct": False}]}, "two labels"),
        (422, f"{path}/labels", {"labels": [{"seq": 0, "correct": 1}]}, "labels[0].correct"),
        (404, "/v1/batches/none/audit", {}, "no batch"),
    ):
        refused = await gateway.post(where, json=body)
        assert refused.status_code == status and named in refused.json()["detail"], refused.text
    body = {"labels": [{**first, "correct": False}], "replace": True}
    assert (await gateway.post(f"{path}/labels", json=body)).json()["bound"]["wrong"] == 1


async def test_a_batch_that_still_runs_has_no_audit(open_gateway: OpenGateway) -> None:
    async with open_gateway(models=fake(latency_s=0.05, concurrency=2)) as http:
        batch_id = (await http.post("/v1/batches", json=request(count=1000))).json()["id"]
        refused = await http.post(f"/v1/batches/{batch_id}/audit", json={})
        await http.post(f"/v1/batches/{batch_id}/cancel")
    assert refused.status_code == 409 and "wait until it has ended" in refused.json()["detail"]
