"""Configuration: which source wins, and that every mistake names its key."""

from pathlib import Path

import pytest

from service.settings import ConfigurationError, load_settings, settings_for


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WINNOW_CONFIG", raising=False)
    return tmp_path


def test_without_any_configuration_the_shipped_model_is_the_default() -> None:
    settings = load_settings()
    assert settings.model_name == "winnow-tiny"
    assert settings.database_url == "sqlite:///winnow.db"


def test_flags_win_over_environment_and_environment_over_the_file(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / "winnow.toml").write_text('host = "file"\nport = 1\nmax_count = 7\n')
    monkeypatch.setenv("WINNOW_HOST", "environment")
    monkeypatch.setenv("WINNOW_PORT", "2")
    settings = load_settings(port=3, host=None)
    assert (settings.max_count, settings.host, settings.port) == (7, "environment", 3)


def test_the_file_configures_engines_and_graders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "other.toml"
    file.write_text(
        '[models.fake]\nkind = "scripted"\nwrong_rate = 0.5\n[graders.form]\nmin_words = 9\n'
    )
    monkeypatch.setenv("WINNOW_CONFIG", str(file))
    monkeypatch.setenv("WINNOW_GRADERS__FORM__MAX_CHARS", "99")
    settings = load_settings()
    assert settings.model_name == "fake"
    assert settings.models["fake"].kind == "scripted"
    assert (settings.graders.form.min_words, settings.graders.form.max_chars) == (9, 99)


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("colour = 1", "colour: no such key"),
        ("[graders.form]\nmin_word = 3", "graders.form.min_word: no such key"),
        (
            '[models.a]\nkind = "scripted"\nlatency = 1',
            "models.a.latency: no such key; .*latency_s",
        ),
        ('[models.a]\nkind = "magic"', "models.a.kind: 'magic' is none of: transformers, scripted"),
        (
            '[models.a]\nmodel = "gpt2"',
            'models.a: add kind = "transformers"; there are: transformers, scripted, openai, vllm$',
        ),
        ('[backend]\nkind = "ray"\nwrkers = 2', "^backend.wrkers: no such key; .*num_cpus"),
        ("[graders.novelty]\nsemantic = 3", "^graders.novelty.semantic: Input should be"),
        ("port = 70000", "port"),
        ("price_per_engine_hour = 0", "price_per_engine_hour"),
        ("price_per_engine_hour = inf", "price_per_engine_hour"),
        ('default_model = "gpt"', "^default_model 'gpt' is none of models: winnow-tiny"),
        ("port = ", "^winnow.toml can't be read: Invalid value"),
    ],
)
def test_a_mistake_in_the_file_is_named(empty_folder: Path, toml: str, named: str) -> None:
    (empty_folder / "winnow.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match=named):
        load_settings()


def test_an_unknown_flag_or_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="speed: no such key"):
        load_settings(speed=3)
    monkeypatch.setenv("WINNOW_PROT", "80")
    with pytest.raises(ConfigurationError, match="WINNOW_PROT"):
        load_settings()


def test_a_configuration_file_that_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WINNOW_CONFIG", "missing.toml")
    with pytest.raises(ConfigurationError, match=r"missing\.toml"):
        load_settings()


def test_variables_that_kubernetes_sets_beside_a_service_are_let_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WINNOW_HEAD_SVC_SERVICE_HOST", "10.0.0.7")
    monkeypatch.setenv("WINNOW_HEAD_SVC_PORT_8265_TCP_ADDR", "10.0.0.7")
    load_settings()


def test_the_model_of_a_command_is_a_configured_one_a_folder_or_one_of_the_hub(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    assert settings_for("winnow-tiny").model_name == "winnow-tiny"
    for name in (str(folder), "my-model", "org/name"):
        settings = settings_for(name)
        assert settings.model_name == name and settings.models[name].model == name
        assert "winnow-tiny" in settings.models


@pytest.mark.parametrize("name", ["gpt2", ""])
def test_a_model_that_is_none_of_these_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--model: .*there are: winnow-tiny; .*org/name"):
        settings_for(name)
