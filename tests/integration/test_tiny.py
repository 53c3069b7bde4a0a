"""The model that ships: an ordinary small checkpoint that writes every recipe and grades."""

import asyncio
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from graders.prompts import FACTS_PROMPT, SOLVE_PROMPT
from graders.types import Source
from workers.engines.base import Generation, GenerationRequest
from workers.engines.config import TransformersConfig
from workers.engines.transformers import TransformersEngine
from workers.recipes import SHIPPED, MalformedTextError
from workers.tiny import MODEL_DIR
from workers.tiny.corpus.truth import known_sources

pytestmark = pytest.mark.model


async def generate(requests: list[GenerationRequest]) -> list[Generation]:
    engine = TransformersEngine(TransformersConfig())
    await engine.start()
    try:
        return await asyncio.gather(*(engine.generate(request) for request in requests))
    finally:
        await engine.aclose()


def well_formed(recipe: str, text: str) -> bool:
    try:
        SHIPPED[recipe].parse(text)
    except MalformedTextError:
        return False
    return True


def test_it_is_small_and_ordinary() -> None:
    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert type(model).__name__ == "LlamaForCausalLM"
    assert 3e6 <= parameters <= 15e6
    assert sum(path.stat().st_size for path in Path(MODEL_DIR).iterdir()) <= 16 * 2**20


@pytest.mark.parametrize("recipe", ["dialogue", "essay", "problem_set"])
async def test_it_writes_a_recipe_in_its_shape(recipe: str) -> None:
    made = SHIPPED[recipe]
    requests = [
        GenerationRequest(made.prompt(item.source), seed, made.max_tokens, made.temperature)
        for seed, item in enumerate(known_sources(recipe, 24, seed=7))
    ]
    texts = [generation.text for generation in await generate(requests)]
    assert sum(well_formed(recipe, text) for text in texts) >= 20
    assert len(set(texts)) == len(texts)


async def test_the_same_seed_writes_the_same_text_and_another_seed_another() -> None:
    prompt = SHIPPED["essay"].prompt(Source("s", "Name: The Danube\nKind: river\nLength: 2850 km"))
    one, two, other = await generate([GenerationRequest(prompt, seed) for seed in (1, 1, 2)])
    assert one.text == two.text
    assert one.text != other.text


async def test_it_solves_an_easy_problem_and_says_what_a_sentence_states() -> None:
    problem = "Ida has 4 pens at the office. Ida buys 3 more pens. How many pens does Ida have now?"
    labels = "Name, Kind, Length, Continent"
    claim = "The Danube is a river in Europe."
    solved, stated = await generate(
        [
            GenerationRequest(SOLVE_PROMPT.format(problem=problem), 0, temperature=0),
            GenerationRequest(FACTS_PROMPT.format(labels=labels, claim=claim), 0, temperature=0),
        ]
    )
    assert "4 + 3 = 7" in solved.text
    assert "Continent: Europe" in stated.text
