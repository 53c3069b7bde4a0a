"""The file of a batch job: what it may say, and that what is wrong with it is named."""

from pathlib import Path
from typing import Any

import pytest

from workers.batch_config import (
    EXAMPLE,
    GatedConfig,
    GenerateConfig,
    GradeConfig,
    load_job,
    parse_job,
)
from workers.errors import SpecError

JOB = "recipe: essay\ncount: 2\nsources: {path: a.jsonl}\nout: o\ndatabase: b.db\n"


def test_the_example_is_a_job() -> None:
    job = parse_job(EXAMPLE)
    assert isinstance(job, GatedConfig)
    assert job.database_url == "sqlite:////data/essays.db"
    assert job.model_name == "writer"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (JOB, GatedConfig),
        ("mode: generate\nrecipe: essay\nsources: {dataset: a/b}\nout: o", GenerateConfig),
        ("mode: grade\nrows: {path: a.csv, source: document}\nout: o", GradeConfig),
    ],
)
def test_each_mode_has_its_own_keys(text: str, kind: type[Any]) -> None:
    assert isinstance(parse_job(text), kind)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (JOB + "cuont: 3", "cuont: no such key"),
        (JOB.replace("count: 2", "count: 0"), "count: Input should be greater"),
        (JOB.replace("{path: a.jsonl}", "{}"), "sources: name either path or dataset"),
        (JOB.replace("{path: a.jsonl}", "{path: a, config: b}"), "config goes with dataset"),
        (JOB.replace("out: o", "out: o.parquet"), "out: names a file; name a folder"),
        (JOB + "budget: {max_money: 3}", "budget.max_money needs price_per_engine_hour"),
        (JOB + "price_per_engine_hour: 0", "price_per_engine_hour: Input should be greater"),
        (JOB + "model: big", "model 'big' is none of models: winnow-tiny"),
        (JOB + "backend: {kind: ray, wrkers: 2}", "job.yaml: backend.wrkers: no such key; there"),
        (JOB + "models: {a: {model: b}}", 'models.a: add kind: "transformers"; there are: '),
        ("mode: garde", "mode: 'garde' is none of: batch, generate, grade"),
        ("mode: [", "not YAML"),
        ("- a", "is no mapping; `winnow batch --example` prints one"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text: str, told: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_job(text, "job.yaml")
    assert told in str(raised.value) and str(raised.value).startswith("job.yaml: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml can't be read"):
        load_job(str(tmp_path / "none.yaml"))


def test_more_workers_are_the_same_job_and_another_seed_is_not() -> None:
    key = parse_job(JOB).key
    assert parse_job(JOB + "backend: {kind: ray, workers: 8}").key == key
    assert parse_job(JOB + "lease_seconds: 3").key == key
    assert parse_job(JOB + "price_per_engine_hour: 3\ncurrency: EUR").key == key
    assert parse_job(JOB + "seed: 1").key != key


def test_an_option_at_its_default_is_no_part_of_a_jobs_key() -> None:
    key = parse_job(JOB).key
    assert parse_job(JOB + "seed: 0\nthresholds: {}\nbudget: {max_tokens: null}").key == key
    assert parse_job(JOB + "graders: {form: {}}").key == key

    class Later(GatedConfig):
        added_later: int = 7

    given = {"recipe": "essay", "count": 2, "sources": {"path": "a.jsonl"}, "out": "o"}
    later = Later.model_validate({**given, "database": "b.db"})
    assert later.key == key
    assert later.model_copy(update={"added_later": 8}).key != key


def test_jobs_of_two_modes_and_engines_of_two_kinds_have_two_keys() -> None:
    passes = "recipe: essay\nsources: {path: a.jsonl}\nout: o\nmode: generate\n"
    keys = {
        parse_job(f"{passes}models: {{a: {{kind: {kind}, model: m}}}}").key
        for kind in ("scripted", "transformers", "vllm")
    }
    assert len(keys) == 3
