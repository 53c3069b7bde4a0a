"""JSON that the scripted engine writes for a recipe that wants it."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from graders.config import GradersConfig
from graders.gate import Gate
from graders.types import Source
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines.config import ScriptedConfig, TransformersConfig
from workers.engines.pool import EnginePool
from workers.engines.scripted_json import write_json
from workers.errors import EngineError, SpecError
from workers.recipes import SHIPPED, Parsed
from workers.types import Draw

RIVER = Source("aldra", "Name: Aldra\nKind: river\nLength: 412 km\nCountry: Norway")
SCHEMA = {"type": "object", "properties": {"fact": {"type": "string"}}, "required": ["fact"]}
FACT = replace(
    SHIPPED["essay"],
    name="fact",
    parse=lambda text: Parsed(json.loads(text), body=json.loads(text)["fact"]),
    graders=("form",),
    novelty_field="fact",
    body_start=None,
    json_schema=SCHEMA,
)


def written(schema: dict[str, Any], seed: int = 0) -> Any:
    return json.loads(write_json(schema, random.Random(seed), lambda: "so it is"))


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"const": 3}, 3),
        ({"enum": ["only"]}, "only"),
        ({"type": ["null"]}, None),
        ({"anyOf": [{"type": "null"}]}, None),
        ({"type": "integer", "minimum": 6.5, "maximum": 7}, 7),
        ({"type": "integer", "maximum": 0, "minimum": 0}, 0),
        ({"type": "string", "maxLength": 5}, "so it"),
        ({"type": "string", "minLength": 9}, "so it is so it is"),
        ({"type": "array", "items": {"const": 1}, "minItems": 2}, [1, 1]),
        (SCHEMA, {"fact": "so it is"}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": "there"}}}, "there"),
        ({"type": "object", "properties": {"a": {"const": 1}}}, {}),
    ],
)
def test_an_instance_obeys_its_schema(schema: dict[str, Any], made: Any) -> None:
    assert written(schema) == made


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_numbers_stay_within_their_bounds(kind: str) -> None:
    for bounds in ({"minimum": 5}, {"maximum": -5}, {"minimum": 1, "maximum": 4}, {}):
        made = [written({"type": kind, **bounds}, seed) for seed in range(50)]
        assert all(bounds.get("minimum", n) <= n <= bounds.get("maximum", n) for n in made)
        assert len(set(made)) > 3


def test_a_keyword_that_it_can_not_obey_is_an_error_by_name() -> None:
    with pytest.raises(EngineError, match="can't obey pattern"):
        written({"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "a+"}})


async def test_a_recipe_that_wants_json_gets_it_with_the_facts_of_its_source() -> None:
    backend = LocalBackend(EnginePool({"fake": ScriptedConfig(wrong_rate=0)}), GradersConfig())
    async with backend.producer(Job("b", FACT, "fake", Gate({}, ("form",)))) as producer:
        made = [await producer.produce(Draw(seed, RIVER, seed)) for seed in range(4)]
    await backend.aclose()
    assert all(item.verdict and item.verdict.accepted for item in made)
    facts = {item.candidate.fields["fact"] for item in made if item.candidate}
    assert len(facts) == 4 and all("412 km" in fact or "Norway" in fact for fact in facts)


async def test_an_engine_that_can_not_see_to_json_is_refused_before_it_loads() -> None:
    pool = EnginePool({"small": TransformersConfig(model="/nowhere")})
    backend = LocalBackend(pool, GradersConfig())
    with pytest.raises(SpecError, match=r"recipe fact wants JSON: .*`transformers` can't"):
        async with backend.producer(Job("b", FACT, "small", Gate({}, ("form",)))):
            pass
