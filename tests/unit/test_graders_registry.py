"""Configuration and registry: what may be set, and what may be asked for."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from graders import registry
from graders.config import FormConfig, GraderConfig, GradersConfig
from graders.errors import GraderConfigError
from graders.form import FormGrader
from graders.registry import build_gate, build_graders, grader_names


def test_the_kind_says_which_grader_an_option_is_for() -> None:
    config = TypeAdapter[object](GraderConfig).validate_python({"kind": "form", "min_words": 9})
    assert config == FormConfig(min_words=9)


@pytest.mark.parametrize(
    "options",
    [
        {"form": {"min_wrods": 9}},
        {"froms": {}},
        {"form": {"threshold": 1.5}},
        {"form": {"threshold": float("nan")}},
        {"form": {"kind": "answers"}},
        {"answers": {"resolutions": 1, "agree": 2}},
    ],
)
def test_unknown_and_impossible_options_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GradersConfig.model_validate(options)


def test_graders_are_built_once_each_and_novelty_is_left_to_admission() -> None:
    (grader,) = build_graders(GradersConfig(), ["form", "novelty", "form"])
    assert grader.name == "form"


def test_an_unknown_grader_is_refused_with_those_that_exist() -> None:
    for ask in (build_graders, build_gate):
        with pytest.raises(
            GraderConfigError,
            match=r"'forms'.*form, answers, consistency, agreement, judge, novelty",
        ):
            ask(GradersConfig(), ["form", "forms"])


def test_given_thresholds_go_before_configured_ones() -> None:
    config = GradersConfig.model_validate({"consistency": {"threshold": 0.8}})
    gate = build_gate(config, ["form", "consistency", "novelty"], {"novelty": 0.7})
    assert gate.required == ("form", "consistency", "novelty")
    assert gate.thresholds == {"form": 1.0, "consistency": 0.8, "novelty": 0.7}


class Politeness(FormGrader):
    """What a user might install."""

    name = "politeness"

    def __init__(self, options: dict[str, Any], complete: object) -> None:
        super().__init__()
        self.options = options
        if options.get("broken"):
            raise RuntimeError("no word list")


def test_a_grader_from_an_entry_point_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("politeness", f"{__name__}:Politeness", "winnow.graders")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    monkeypatch.setattr(EntryPoint, "load", lambda self: Politeness)
    plugin = {"options": {"words": ["please"]}, "threshold": 0.5}
    config = GradersConfig.model_validate({"plugins": {"politeness": plugin}})
    (grader,) = build_graders(config, ["politeness"])
    assert isinstance(grader, Politeness) and grader.options == {"words": ["please"]}
    assert build_gate(config, ["politeness"]).thresholds == {"politeness": 0.5}
    assert grader_names()[-1] == "politeness"
    broken = GradersConfig.model_validate({"plugins": {"politeness": {"options": {"broken": 1}}}})
    with pytest.raises(GraderConfigError, match="no word list"):
        build_graders(broken, ["politeness"])
