"""From a grader's name to the grader. Nothing is imported until it is asked for.

Your own grader: register a constructor `(options: Mapping, complete: Complete | None) -> Grader`
under the entry-point group `winnow.graders`; its name there is the name of its grades.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from graders.base import Complete, Grader, Models
from graders.config import GradersConfig, PluginConfig
from graders.errors import GraderConfigError
from graders.gate import Gate

GROUP = "winnow.graders"
NOVELTY = "novelty"
"""Judged at admission against everything admitted, so never built here."""

Build = Callable[[GradersConfig, Complete | None, Models | None], Grader]


def _form(config: GradersConfig, complete: Complete | None, models: Models | None) -> Grader:
    return cast(Grader, import_module("graders.form").FormGrader(config.form))


def _answers(config: GradersConfig, complete: Complete | None, models: Models | None) -> Grader:
    module, name = import_module("graders.answers"), config.answers.second_model
    if name is None:
        return cast(Grader, module.AnswersGrader(config.answers, complete))
    if models is None:
        raise GraderConfigError(
            f"answers.second_model names {name!r}, but no models are to be had here"
        )
    return cast(Grader, module.AnswersGrader(config.answers, complete, models(name).complete))


def _consistency(config: GradersConfig, complete: Complete | None, models: Models | None) -> Grader:
    module = import_module("graders.consistency")
    return cast(Grader, module.ConsistencyGrader(config.consistency, complete))


def _agreement(config: GradersConfig, complete: Complete | None, models: Models | None) -> Grader:
    module = import_module("graders.agreement")
    return cast(Grader, module.AgreementGrader(config.agreement, complete))


def _judge(config: GradersConfig, complete: Complete | None, models: Models | None) -> Grader:
    module, name = import_module("graders.judge"), config.judge.model
    if name is None:
        return cast(Grader, module.JudgeGrader(config.judge, complete))
    if models is None:
        raise GraderConfigError(f"judge.model names {name!r}, but no models are to be had here")
    judge = models(name)
    return cast(Grader, module.JudgeGrader(config.judge, judge.complete, judge.name))


SHIPPED: Mapping[str, Build] = {
    "form": _form,
    "answers": _answers,
    "consistency": _consistency,
    "agreement": _agreement,
    "judge": _judge,
}


def grader_names() -> tuple[str, ...]:
    """Every grader that can be asked for: the shipped ones, then those of entry points."""
    return (*SHIPPED, NOVELTY, *sorted(set(_plugins()) - {*SHIPPED, NOVELTY}))


def check_names(names: Iterable[str]) -> None:
    """Raises GraderConfigError for a name that no grader has."""
    known = grader_names()
    for name in names:
        if name not in known:
            raise GraderConfigError(f"unknown grader {name!r}; there are: {', '.join(known)}")


def build_graders(
    config: GradersConfig,
    names: Iterable[str],
    complete: Complete | None = None,
    models: Models | None = None,
) -> list[Grader]:
    """Make the named graders, in order and once each; `novelty` is passed over.

    `complete` asks the model that writes the candidates, `models` any other that is configured.
    Raises GraderConfigError for an unknown name and for a user's grader that can't be made.
    """
    wanted = list(dict.fromkeys(names))
    check_names(wanted)
    return [_build(config, name, complete, models) for name in wanted if name != NOVELTY]


def build_gate(
    config: GradersConfig, names: Iterable[str], thresholds: Mapping[str, float] | None = None
) -> Gate:
    """The gate of the named graders; `thresholds` override the configured ones.

    Raises GraderConfigError for an unknown name.
    """
    required = tuple(dict.fromkeys(names))
    overrides = dict(thresholds or {})
    check_names((*required, *overrides))
    configured = {name: _threshold(config, name) for name in required}
    return Gate({**configured, **overrides}, required)


def _threshold(config: GradersConfig, name: str) -> float:
    if name == NOVELTY or name in SHIPPED:
        return float(getattr(config, name).threshold)
    return config.plugins.get(name, PluginConfig()).threshold


def _build(
    config: GradersConfig, name: str, complete: Complete | None, models: Models | None
) -> Grader:
    if name in SHIPPED:
        return SHIPPED[name](config, complete, models)
    options = config.plugins.get(name, PluginConfig()).options
    try:
        constructor: Any = _plugins()[name].load()
        grader = cast(Grader, constructor(options, complete))
    except Exception as exc:
        raise GraderConfigError(f"grader {name!r} can't be made: {exc!r}") from exc
    if grader.name != name:
        raise GraderConfigError(
            f"grader {name!r} calls itself {grader.name!r}; its entry point must have that name"
        )
    return grader


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
