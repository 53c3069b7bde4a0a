"""The recipes that ship, and how a user's own is found: by name, or by the path of a file."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from workers.errors import RecipeError
from workers.recipes.answer import RECIPE as ANSWER
from workers.recipes.base import MalformedTextError, Parsed, Recipe
from workers.recipes.dialogue import RECIPE as DIALOGUE
from workers.recipes.essay import RECIPE as ESSAY
from workers.recipes.problem_set import RECIPE as PROBLEM_SET

SHIPPED = {recipe.name: recipe for recipe in (ESSAY, PROBLEM_SET, DIALOGUE, ANSWER)}

__all__ = [
    "SHIPPED",
    "MalformedTextError",
    "Parsed",
    "Recipe",
    "known_recipes",
    "load_recipe",
    "load_recipe_file",
]


def load_recipe_file(path: Path) -> Recipe:
    """Load `RECIPE` from a user's file. Raises RecipeError, saying what the file lacks."""
    spec = importlib.util.spec_from_file_location(f"winnow_recipe_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RecipeError(f"no recipe file at {path}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise RecipeError(f"{path} can't be loaded: {exc!r}") from exc
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path} has no module-level RECIPE of type workers.recipes.Recipe")
    return recipe


def known_recipes(files: Iterable[Path]) -> dict[str, Recipe]:
    """The shipped recipes and those of these files, by name. Raises RecipeError."""
    own = (load_recipe_file(path) for path in files)
    return {**SHIPPED, **{recipe.name: recipe for recipe in own}}


def load_recipe(name: str, extra: dict[str, Recipe] | None = None) -> Recipe:
    """Look a recipe up by name. Raises RecipeError, naming those that exist."""
    known = {**SHIPPED, **(extra or {})}
    if name not in known:
        raise RecipeError(f"unknown recipe {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]
