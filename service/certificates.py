"""From the error rate that a request may have to a threshold and its certificate, or a refusal.

The calibration must be of the same recipe and generator, and made by the very grading that the
batch gets.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

from graders.base import Completion, Model
from graders.calibration.certificate import Certificate, Refusal, assumption_for
from graders.calibration.scored_set import Grading, ScoredSet
from graders.config import GradersConfig, PluginConfig
from graders.errors import CalibrationError, GraderConfigError
from graders.registry import SHIPPED, build_graders
from service.calibrations import calibration_of
from service.errors import NotCertifiableError
from service.settings import Settings
from workers.errors import NotConfiguredError
from workers.recipes import Recipe
from workers.types import BatchSpec

FIELD = "gate.max_error_rate"
SPEED_OPTIONS = {
    *("max_batch", "threads", "device", "concurrency", "timeout_s", "retries", "backoff_s"),
    *("api_key_env", "latency_s"),
}
"""Of an engine's configuration: what does not change what it writes."""


def certificate_of(
    settings: Settings,
    recipe: Recipe,
    model: str,
    max_error_rate: float,
    confidence: float,
    uploaded: str | None = None,
) -> Certificate:
    """The certificate for a batch of this recipe by this model, with the threshold it needs.

    It rests on the caller's own calibration, whose content is `uploaded`, else on the configured
    one. Raises NotCertifiableError, with the best bound where there is one, and CalibrationError
    for a calibration that can't be read.
    """
    calibration = calibration_of(settings, recipe.name, uploaded)
    if calibration is None:
        raise NotCertifiableError(
            FIELD,
            f"no calibration is configured for {recipe.name}, nor uploaded; see "
            "`winnow calibrate --help`",
        )
    scored = calibration.scored
    here = grading_by(settings, scored.grading.grader, model)
    _check_fits(scored, recipe, here)
    _check_generator(scored, model, settings.models[model].model)
    found = calibration.answer(max_error_rate, 1.0 - confidence)
    if isinstance(found, Refusal):
        raise NotCertifiableError(FIELD, refusal_text(found), found)
    return replace(
        found,
        assumption=assumption_for(model, scored.generators),
        process_sha256=_process(settings, here, model),
    )


def check_still_holds(settings: Settings, spec: BatchSpec) -> None:
    """Leave a certified batch alone where its model or grading is not what was certified.

    Raises NotConfiguredError: another process may have them. Certificates of an earlier Winnow
    don't say what they rest on.
    """
    certificate = spec.certificate
    if certificate is None or not certificate.process_sha256 or spec.model not in settings.models:
        return
    here = grading_by(settings, certificate.grader, spec.model)
    if certificate.process_sha256 != _process(settings, here, spec.model):
        raise NotConfiguredError(
            f"{spec.model}, {certificate.grader} or its options are not those that the batch's "
            "certificate is for: put them back, or cancel it and ask for a new one"
        )


def _process(settings: Settings, grading: Grading, model: str) -> str:
    """Stands for the generator's configuration, but for its speed, and the grading."""
    config = settings.models[model].model_dump(mode="json", exclude=SPEED_OPTIONS)
    whole = json.dumps([config, asdict(grading)], sort_keys=True, default=str)
    return sha256(whole.encode()).hexdigest()


def refusal_text(refusal: Refusal) -> str:
    """Why not, and what could be had instead."""
    best = f"the best bound that can be given is {refusal.best_bound:.1%}"
    if refusal.threshold is not None:
        best += f" (threshold {refusal.threshold:.4g}, {refusal.coverage:.0%} of texts pass)"
    else:
        best = "no bound below 100% can be given"
    return (
        f"{refusal.max_error_rate:.1%} wrong at confidence {refusal.confidence:.1%} can't be "
        f"honoured: {refusal.reason}; {best}"
    )


def grading_by(settings: Settings, grader: str, model: str | None) -> Grading:
    """How this grader grades here, with the model of this name to ask (None: no model).

    Raises GraderConfigError for an unknown grader, CalibrationError for one without a calibration.
    """
    unknown = set(settings.graders.models_of([grader])) - set(settings.models)
    if unknown:
        known = ", ".join(settings.models)
        raise GraderConfigError(f"no model {unknown.pop()!r} is configured; there are: {known}")
    built = build_graders(settings.graders, [grader], None, lambda name: Model(name, _never))
    if not built:
        raise CalibrationError(f"{grader} depends on what was admitted; it can't be calibrated")
    options = grader_options(settings.graders, grader)
    others = settings.graders.models_of([grader])
    if others:
        options["checkpoints"] = [settings.models[name].model for name in others]
    asked = model is not None and asks_model(grader, options)
    checkpoint = settings.models[model].model if asked and model is not None else ""
    return Grading(grader, built[0].version, options, checkpoint)


def asks_model(grader: str, options: Mapping[str, Any]) -> bool:
    """Whether this grader, so configured, may ask the model that writes the texts."""
    if grader == "form":
        return False
    if grader == "consistency":
        return bool(options["judge"])
    if grader == "answers":
        return bool(options["resolutions"])
    return not options.get("model") if grader == "judge" else True


def grader_options(config: GradersConfig, grader: str) -> dict[str, Any]:
    """The options of a grader that can change its scores, as JSON."""
    known = grader in SHIPPED
    options = getattr(config, grader) if known else config.plugins.get(grader, PluginConfig())
    return dict(options.model_dump(mode="json", exclude={"threshold", "threads"}))


def _check_fits(scored: ScoredSet, recipe: Recipe, here: Grading) -> None:
    """Raise NotCertifiableError unless texts of this recipe are graded here as the set was."""
    was = scored.grading
    if scored.recipe not in ("", recipe.name):
        reason = f"the calibration is for {scored.recipe}, not {recipe.name}"
    elif was.grader not in recipe.graders:
        reason = f"the calibration is for {was.grader}, which is no grader of {recipe.name}"
    elif was.version != here.version:
        reason = f"it was made with {was.grader} {was.version}, here it is {here.version}"
    elif was.model != here.model:
        reason = (
            f"{was.grader} asked {was.model or 'no model'} then, and asks "
            f"{here.model or 'no model'} here"
        )
    elif dict(was.options) != dict(here.options):
        names = sorted(
            name
            for name in {*was.options, *here.options}
            if was.options.get(name) != here.options.get(name)
        )
        reason = f"{was.grader} had other options then: {', '.join(names)}"
    else:
        return
    raise NotCertifiableError(FIELD, f"{reason}; calibrate anew with `winnow calibrate`")


def _check_generator(scored: ScoredSet, model: str, checkpoint: str) -> None:
    """Raise NotCertifiableError where the set names its generators and the model is none of them.

    Labelled rows may call a model by its name in the configuration or by its checkpoint.
    """
    if scored.generators and not {model, checkpoint} & set(scored.generators):
        known = model if model == checkpoint else f"{model} ({checkpoint})"
        raise NotCertifiableError(
            FIELD,
            f"the calibration's texts are by {', '.join(scored.generators)}, none by {known}: "
            "label texts of this model and calibrate anew with `winnow calibrate`, or, if these "
            "are its texts, give their rows its name as 'model'",
        )


async def _never(
    prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
) -> list[Completion]:
    raise CalibrationError("a grader built for its version was asked to grade")
