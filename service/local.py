"""Settings, recipes and specs for a command that works in this process, without a gateway."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.schemas import BatchBody, to_spec
from service.settings import Settings, load_settings
from service.sources import InputError
from workers.engines.config import TransformersConfig
from workers.recipes import SHIPPED, Recipe, load_recipe_file
from workers.types import BatchSpec


def settings_for(model: str | None, **flags: Any) -> Settings:
    """The settings; `model` may also be a checkpoint folder or a name on the hub.

    Raises ConfigurationError.
    """
    settings = load_settings(**flags)
    if model is None or model in settings.models or not ("/" in model or Path(model).is_dir()):
        return settings
    models = {**settings.models, model: TransformersConfig(model=model)}
    return settings.model_copy(update={"models": models})


def known_recipes(files: Iterable[Path]) -> dict[str, Recipe]:
    """The shipped recipes and those of these files, by name. Raises RecipeError."""
    own = (load_recipe_file(path) for path in files)
    return {**SHIPPED, **{recipe.name: recipe for recipe in own}}


def spec_of(
    request: Mapping[str, Any], settings: Settings, recipes: Mapping[str, Recipe]
) -> BatchSpec:
    """The batch that a request body asks for. Raises InputError and SpecError, naming the field."""
    try:
        body = BatchBody.model_validate(request)
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}") from exc
    return to_spec(body, settings, recipes)
