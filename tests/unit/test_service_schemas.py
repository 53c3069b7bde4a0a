"""From a request body to a BatchSpec."""

from dataclasses import replace
from typing import Any

import pytest

from service.errors import RequestError
from service.schemas import BatchBody, check_row_length, to_spec
from service.settings import Settings, load_settings
from workers.recipes import SHIPPED
from workers.types import BatchSpec, Budget


@pytest.fixture
def settings() -> Settings:
    models = {"fake": {"kind": "scripted"}, "other": {"kind": "scripted"}}
    return load_settings(models=models, max_source_chars=50, max_sources=3, max_count=10)


def _spec(settings: Settings, key: str | None = None, **fields: Any) -> BatchSpec:
    body = {"recipe": "essay", "count": 2, "sources": ["one"], **fields}
    return to_spec(BatchBody.model_validate(body), settings, SHIPPED, idempotency_key=key)


def test_defaults_are_filled_in(settings: Settings) -> None:
    spec = _spec(settings)
    assert spec.model == "fake"
    assert spec.budget == Budget(max_candidates=300)
    assert not spec.fail_on_shortfall


def test_a_recipe_of_json_is_refused_for_an_engine_that_cannot_see_to_it() -> None:
    settings = load_settings(models={"fake": {"kind": "scripted"}, "hf": {"kind": "transformers"}})
    recipes = {"essay": replace(SHIPPED["essay"], json_schema={"type": "object"})}
    body = {"recipe": "essay", "count": 2, "sources": ["one"]}
    to_spec(BatchBody.model_validate({**body, "model": "fake"}), settings, recipes)
    with pytest.raises(RequestError, match="model: the recipe essay wants JSON"):
        to_spec(BatchBody.model_validate({**body, "model": "hf"}), settings, recipes)


def test_sources_may_be_texts_or_objects_and_get_their_index_as_id(settings: Settings) -> None:
    spec = _spec(settings, sources=["a", {"id": "x", "text": "b"}, {"text": "c"}])
    assert [(source.id, source.text) for source in spec.sources] == [
        ("0", "a"),
        ("x", "b"),
        ("2", "c"),
    ]


def test_the_same_key_draws_the_same_seed_and_no_key_draws_another(settings: Settings) -> None:
    assert _spec(settings, key="k") == _spec(settings, key="k")
    assert _spec(settings).seed != _spec(settings).seed
    assert _spec(settings, seed=5).seed == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recipe": "poem"}, "unknown recipe 'poem'; there are: essay, problem_set, dialogue"),
        ({"model": "gpt"}, "unknown model 'gpt'; there are: fake, other"),
        ({"count": 11}, "count: 11 is above the limit of 10; max_count in winnow.toml raises it"),
        ({"sources": ["a", " \n"]}, r"sources\[1\]: is empty"),
        ({"sources": ["a", "x" * 51]}, r"sources\[1\]: 51 characters .* 50; max_source_chars in"),
        (
            {"sources": [{"id": "danube", "text": "x" * 51}]},
            r"sources\[0\]: 'danube': 51 characters",
        ),
        ({"sources": ["a\x00b"]}, r"sources\[0\]: is binary.*U\+0000 at character 1"),
        ({"sources": ["a\x1b[0m"]}, r"sources\[0\]: is binary.*U\+001B"),
        ({"sources": ["a"] * 4}, "sources: 4 of them are above .* 3; max_sources in winnow.toml"),
        ({"sources": ["a", {"id": "0", "text": "b"}]}, r"sources\[1\]: its id '0' is also"),
        ({"gate": {"thresholds": {"answers": 1}}}, "'answers' is no grader of essay"),
        ({"protect": ["a", ""]}, r"protect\[1\]: is empty"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(
    settings: Settings, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        _spec(settings, **fields)


@pytest.mark.parametrize("field", ["text", "source", "question", "gold"])
def test_a_row_to_grade_may_be_no_longer_than_a_source(settings: Settings, field: str) -> None:
    row = {"id": "x" * 9, "text": "a", field: "x" * 51}
    with pytest.raises(RequestError, match=rf"rows\[3\]\.{field}: 51 characters .* of 50"):
        check_row_length(3, row, settings)
    check_row_length(3, {**row, field: "x" * 50, "metadata": {"note": "x" * 99}}, settings)
