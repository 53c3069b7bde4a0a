"""What `winnow generate` was asked for, and how that becomes a batch here or at a gateway.

Both go through the gateway's own request body, so both refuse the same things in the same words.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.batch_runs import Watcher, run_here, run_there
from service.schemas import BatchBody, to_spec
from service.settings import Settings, load_settings, settings_for
from service.sources import InputError, read_sources, read_texts
from workers.recipes import Recipe, known_recipes
from workers.types import BatchSpec

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command line, as given; None where the default is to serve."""

    recipe: str | None
    count: int | None
    sources: str | None
    model: str | None
    seed: int | None
    budget: Mapping[str, float | None]
    on_exhausted: str
    thresholds: Mapping[str, float]
    protect: tuple[Path, ...]
    recipe_files: tuple[Path, ...]
    out: str | None
    rejects: str | None
    url: str | None
    db: str | None
    config: str | None
    resume: str | None
    max_error_rate: float | None = None
    confidence: float | None = None
    calibration: Path | None = None

    def request(self) -> Json:
        """The body of `POST /v1/batches`. Raises InputError for what is missing or unreadable."""
        if self.recipe is None or self.count is None or self.sources is None:
            given = {"recipe": self.recipe, "count": self.count, "sources": self.sources}
            missing = ", ".join(f"--{name}" for name, value in given.items() if value is None)
            raise InputError(f"{missing} missing; see `winnow generate --help` for an example")
        if self.url and self.recipe_files:
            raise InputError("--recipe-file is for this process; configure it at the gateway")
        if self.url and self.calibration:
            raise InputError(
                "--calibration is for this process; upload one by `winnow calibrate --url`"
            )
        sources = [{"id": s.id, "text": s.text} for s in read_sources(self.sources)]
        request: Json = {"recipe": self.recipe, "count": self.count, "sources": sources}
        request["budget"] = {
            name: value for name, value in self.budget.items() if value is not None
        }
        bound = {"max_error_rate": self.max_error_rate, "confidence": self.confidence}
        wanted = {name: value for name, value in bound.items() if value is not None}
        request["gate"] = {"thresholds": dict(self.thresholds), **wanted}
        request["protect"] = list(read_texts(self.protect))
        request["on_exhausted"] = self.on_exhausted
        optional = {"model": self.model, "seed": self.seed}
        return request | {name: value for name, value in optional.items() if value is not None}

    def resume_command(self, batch_id: str) -> str:
        """The command line that finishes this batch."""
        options = {
            "--config": self.config,
            "--db": self.db,
            "--model": self.model,
            "--out": self.out,
            "--rejects": self.rejects,
        }
        words = [word for name, value in options.items() if value for word in (name, value)]
        words += [word for file in self.recipe_files for word in ("--recipe-file", str(file))]
        return shlex.join(["winnow", "generate", "--resume", batch_id, *words])

    async def run(self, request: Json | str, watcher: Watcher) -> Json:
        """Run a new batch, or the one with this id, to its end; see service.batch_runs."""
        if self.url:
            key = load_settings(self.config).client_key
            return await run_there(self.url, request, watcher, key)
        settings = settings_for(self.model, self.config, database_url=self.db)
        if self.calibration and self.recipe:
            calibrations = {**settings.calibrations, self.recipe: self.calibration}
            settings = settings.model_copy(update={"calibrations": calibrations})
        recipes = known_recipes([*settings.recipe_files, *self.recipe_files])
        asked = request if isinstance(request, str) else _spec_of(request, settings, recipes)
        protect = read_texts(settings.protect_files)
        return await run_here(settings, recipes, protect, asked, watcher)


def read_thresholds(given: Iterable[str]) -> dict[str, float]:
    """`["form=1", "novelty=0.5"]` as a mapping. Raises InputError for anything else."""
    thresholds = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            thresholds[name] = float(value)
        except ValueError as exc:
            raise InputError(f"--threshold {item}: write it as consistency=0.9") from exc
    return thresholds


def _spec_of(request: Json, settings: Settings, recipes: Mapping[str, Recipe]) -> BatchSpec:
    try:
        body = BatchBody.model_validate(request)
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}") from exc
    return to_spec(body, settings, recipes)
