"""What there is to ask for: models, recipes, graders."""

from typing import Any

from fastapi import APIRouter

from graders.novelty.minilm import missing
from graders.registry import NOVELTY, grader_names
from service.deps import Runner

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models")
async def models(runner: Runner) -> dict[str, Any]:
    """The models that requests can name; the default one is marked."""
    default = runner.settings.model_name
    return _page(
        {
            "id": name,
            "object": "model",
            "engine": config.kind,
            "checkpoint": config.model,
            "default": name == default,
            "loaded": runner.backend.loaded(name),
        }
        for name, config in runner.settings.models.items()
    )


@router.get("/recipes")
async def recipes(runner: Runner) -> dict[str, Any]:
    """The recipes that requests can name, and the graders that each of them asks for."""
    return _page(
        {
            "id": recipe.name,
            "object": "recipe",
            "summary": recipe.summary,
            "graders": recipe.graders,
            "max_tokens": recipe.max_tokens,
        }
        for recipe in runner.recipes.values()
    )


@router.get("/graders")
async def graders(runner: Runner) -> dict[str, Any]:
    """The graders that there are, with their options as configured here."""
    options = runner.settings.graders.model_dump()
    plugins = options.pop("plugins")
    lack = missing() if runner.settings.graders.novelty.semantic == "auto" else None
    note = {"note": f"rephrased texts are not found: {lack}"} if lack else {}
    return _page(
        {
            "id": name,
            "object": "grader",
            "options": options.get(name) or plugins.get(name, {}),
            **(note if name == NOVELTY else {}),
        }
        for name in grader_names()
    )


def _page(items: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(items)}
