"""Tenants and their keys, apart from HTTP; `winnow key` and `winnow costs`."""

import tomllib
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.settings import ConfigurationError, load_settings
from service.tenants import TenantConfig, Tenants, UnauthorizedError, hash_of, new_key
from workers.costs import totals_by_tenant
from workers.types import Price, Progress

ONE = Progress(4, accepted=2, rejected=1, completion_tokens=30, engine_seconds=1800.0)


def test_a_key_is_found_by_its_hash_and_a_strangers_is_refused() -> None:
    first, second = new_key(), new_key()
    tenants = Tenants(
        {
            "acme": TenantConfig(key_sha256=[hash_of(first), hash_of(second)]),
            "other": TenantConfig(key_sha256=[hash_of("theirs")]),
        }
    )
    assert [tenants.of(key) for key in (first, second, "theirs")] == ["acme", "acme", "other"]
    for stranger in (None, "", first[:-1], first + " ", hash_of(first)):
        with pytest.raises(UnauthorizedError):
            tenants.of(stranger)


def test_the_operator_sees_all_and_what_is_hers_is_refused_to_tenants() -> None:
    tenants = Tenants({"acme": TenantConfig(key_sha256=[hash_of("a")])}, [hash_of("o")])
    assert tenants.of("o") is None and tenants.of("a") == "acme"
    tenants.require_operator("o")
    for key in ("a", "x", None):
        with pytest.raises(UnauthorizedError):
            tenants.require_operator(key)
    Tenants({}).require_operator(None)
    with pytest.raises(UnauthorizedError):
        Tenants({}, [hash_of("o")]).of(None)
    with pytest.raises(ValueError, match="the operator and acme have the same key"):
        Tenants({"acme": TenantConfig(key_sha256=[hash_of("a")])}, [hash_of("a")])


def test_without_tenants_everybody_may_ask() -> None:
    assert Tenants({}).of(None) is None and Tenants({}).of("anything") is None


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (f'[tenants.a]\nkey_sha256 = ["{"0" * 64}"]\n[tenants.b]\nkey_sha256 = ["{"0" * 64}"]\n',
         "a and b have the same key"),
        ('[tenants.a]\nkey_sha256 = ["winnow_the-key-itself"]\n', "tenants.a.key_sha256.0"),
        ("[tenants.a]\nkey_sha256 = []\n", "tenants.a.key_sha256"),
        ('[tenants.a]\nkey = "x"\n', "tenants.a.key: no such key"),
        (f'[tenants."a b"]\nkey_sha256 = ["{"0" * 64}"]\n', "tenants.a b"),
    ],
)  # fmt: skip
def test_tenants_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, toml: str, said: str
) -> None:
    (tmp_path / "winnow.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match=said):
        load_settings(str(tmp_path / "winnow.toml"))


def test_what_winnow_key_says_is_a_configuration_that_knows_the_key(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["key", "acme.inc"])
    assert made.exit_code == 0
    _, block, _ = made.stderr.split("\n\n")
    file = tmp_path / "winnow.toml"
    file.write_text(block)
    assert tomllib.loads(block)["tenants"].keys() == {"acme.inc"}
    assert Tenants(load_settings(str(file)).tenants).of(made.stdout.strip()) == "acme.inc"
    refused = CliRunner().invoke(app, ["key", "a b"])
    assert refused.exit_code == 2 and "no name for a tenant" in refused.stderr
    nobodys = CliRunner().invoke(app, ["key"])
    assert nobodys.exit_code == 2 and "say whose key" in nobodys.stderr
    all_seeing = CliRunner().invoke(app, ["key", "--operator"])
    file.write_text(f"{all_seeing.stderr.split(chr(10) * 2)[1]}\n{block}")
    settings = load_settings(str(file))
    tenants = Tenants(settings.tenants, settings.operator_key_sha256)
    assert tenants.of(all_seeing.stdout.strip()) is None
    assert tenants.of(made.stdout.strip()) == "acme.inc"


def test_the_key_of_a_client_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_API_KEY", "secret-key")
    settings = load_settings()
    assert settings.client_key == "secret-key" and "secret-key" not in repr(settings)


def test_a_key_from_a_file_loses_its_line_break_and_no_other_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WINNOW_API_KEY", "secret-key\n")
    assert load_settings().client_key == "secret-key"
    monkeypatch.setenv("WINNOW_API_KEY", "two\nlines")
    with pytest.raises(ConfigurationError, match="holds characters that no key has"):
        load_settings()


def test_costs_are_summed_by_tenant_and_currency() -> None:
    euro, dollar = Price(2.0, "EUR"), Price(4.0, "USD")
    spent = [
        ("b", ONE, euro),
        (None, ONE, None),
        ("a", ONE, euro),
        ("b", replace(ONE, accepted=3), euro),
        ("b", ONE, dollar),
    ]
    found = [(name, cost.currency, cost.accepted, cost.money)
             for name, cost in totals_by_tenant(spent)]  # fmt: skip
    assert found == [
        ("a", "EUR", 2, 1.0),
        ("b", "EUR", 5, 2.0),
        ("b", "USD", 2, 2.0),
        (None, None, 2, None),
    ]


def test_winnow_costs_shows_every_tenant_of_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graders.types import Source
    from workers.store import SqlStore
    from workers.types import BatchSpec

    monkeypatch.chdir(tmp_path)
    missing = CliRunner().invoke(app, ["costs"])
    assert missing.exit_code == 2 and "there is no database winnow.db" in missing.stderr
    assert not (tmp_path / "winnow.db").exists()
    both = CliRunner().invoke(app, ["costs", "--url", "http://x", "--db", "sqlite:///y.db"])
    assert both.exit_code == 2 and "--db is for this machine" in both.stderr
    store = SqlStore("sqlite:///winnow.db")
    assert "no batch was asked for yet" in CliRunner().invoke(app, ["costs"]).stderr
    spec = BatchSpec("essay", 1, (Source("s", "text"),), "fake")
    store.create_batch(spec, None, Price(2.0, "EUR"), "acme")
    store.create_batch(spec)
    store.close()
    table = CliRunner().invoke(app, ["costs"], env={"COLUMNS": "200"}).stdout
    assert "acme" in table and "0 EUR" in table and "–" in table
    lines = CliRunner().invoke(app, ["costs", "--json"]).stdout.splitlines()
    rows = [orjson.loads(line) for line in lines]
    assert [(row["tenant"], row["batches"]) for row in rows] == [("acme", 1), (None, 1)]
