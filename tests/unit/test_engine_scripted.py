"""The scripted engine writes every recipe's shape and grades its own mistakes rightly."""

import pytest

from graders import prompts
from graders.types import Source
from workers.engines.base import GenerationRequest
from workers.engines.config import ScriptedConfig
from workers.engines.scripted import ScriptedEngine
from workers.errors import EngineError
from workers.recipes import SHIPPED, MalformedTextError

SHEET = "Name: Saturn\nMoons: 146\nPosition: sixth\nDiscovered by: Galileo\nYear: 29.4 years"
SOURCE = Source("saturn", SHEET)


async def reply(prompt: str, seed: int = 0, **options: float) -> str:
    engine = ScriptedEngine(ScriptedConfig(**options))  # type: ignore[arg-type]
    await engine.start()
    return (await engine.generate(GenerationRequest(prompt, seed))).text


@pytest.mark.parametrize("recipe", SHIPPED.values(), ids=lambda recipe: recipe.name)
async def test_texts_have_their_recipes_shape_unless_malformed(recipe) -> None:  # type: ignore[no-untyped-def]
    for text in ("plain", SHEET, "One thing. Another thing.", "Note: " + "It is long. " * 16):
        prompt = recipe.prompt(Source("s", text))
        for seed in range(20):
            recipe.parse(await reply(prompt, seed))
            with pytest.raises(MalformedTextError):
                recipe.parse(await reply(prompt, seed, malformed_rate=1))


@pytest.mark.parametrize("recipe", SHIPPED.values(), ids=lambda recipe: recipe.name)
async def test_texts_are_many(recipe) -> None:  # type: ignore[no-untyped-def]
    texts = {await reply(recipe.prompt(SOURCE), seed) for seed in range(200)}
    assert len(texts) > 190


@pytest.mark.parametrize(("wrong_rate", "holds"), [(0.0, True), (1.0, False)])
async def test_its_judge_tells_right_solutions_from_wrong(wrong_rate: float, holds: bool) -> None:
    recipe = SHIPPED["problem_set"]
    for seed in range(100):
        parsed = recipe.parse(await reply(recipe.prompt(SOURCE), seed, wrong_rate=wrong_rate))
        solution = f"{parsed.body}\nAnswer: {parsed.answer}"
        prompt = prompts.SOLUTION_PROMPT.format(problem=parsed.question, solution=solution)
        assert prompts.read_opinion(await reply(prompt)).holds is holds
        solved = await reply(prompts.SOLVE_PROMPT.format(problem=parsed.question))
        assert solved.endswith(f"Answer: {parsed.answer}") is holds


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("Its moons is 146.", True),
        ("It has 147 moons.", False),
        ("The position is Galileo.", False),
        ("It was not found by Galileo.", False),
    ],
)
async def test_its_judge_holds_a_claim_against_the_source(claim: str, holds: bool) -> None:
    opinion = prompts.read_opinion(
        await reply(prompts.CLAIM_PROMPT.format(source=SHEET, claim=claim))
    )
    assert opinion.holds is holds
    assert opinion.quote in SHEET


async def test_failures_come_at_the_rate_that_was_set() -> None:
    failed = 0
    for seed in range(200):
        try:
            await reply("hello", seed, failure_rate=0.25)
        except EngineError:
            failed += 1
    assert 30 < failed < 70
