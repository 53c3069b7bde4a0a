"""Uploaded calibrations: kept for each recipe of each tenant, replaced, forgotten."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from older_schemas import make_fifth_schema
from sqlalchemy import Connection

from workers.errors import CalibrationNotFoundError
from workers.store import SqlStore
from workers.store.calibrations import Calibrations


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(database_url)) as opened:
        yield opened


@pytest.fixture
def kept(store: SqlStore) -> Calibrations:
    return store.calibrations


def test_a_calibration_is_read_back_until_another_takes_its_place(kept: Calibrations) -> None:
    assert kept.get("", "essay") is None
    kept.put("", "essay", '{"name": "é\\u0000"}', 1.0)
    assert kept.get("", "essay") == '{"name": "é\\u0000"}'
    kept.put("", "essay", "{}", 2.0)
    kept.put("", "dialogue", "[]", 3.0)
    assert kept.get("", "essay") == "{}"
    assert kept.listed("") == {"dialogue": "[]", "essay": "{}"}


def test_tenants_have_calibrations_of_their_own(kept: Calibrations) -> None:
    for tenant in ("", "acme", "t" * 64):
        kept.put(tenant, "essay", f'"{tenant}"', 1.0)
    assert kept.listed("acme") == {"essay": '"acme"'}
    assert kept.get("other", "essay") is None and kept.listed("other") == {}
    kept.remove("acme", "essay")
    assert kept.get("acme", "essay") is None
    assert kept.get("", "essay") == '""' and kept.get("t" * 64, "essay") == f'"{"t" * 64}"'


@pytest.mark.parametrize("recipe", ["essay", "a\0b", "a\ud800"])
def test_what_is_not_there_cannot_be_forgotten(kept: Calibrations, recipe: str) -> None:
    kept.put("acme", "essay", "{}", 1.0)
    with pytest.raises(CalibrationNotFoundError, match="no calibration was uploaded for"):
        kept.remove("", recipe)
    assert kept.get("acme", "essay") == "{}"


def test_what_went_unheard_and_is_done_again_is_done_once(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store._database.write

    def twice(work: Callable[[Connection], None]) -> None:
        write(work)
        write(work)

    with monkeypatch.context() as patch:
        patch.setattr(store._database, "write", twice)
        store.calibrations.put("", "essay", "{}", 1.0)
        assert store.calibrations.get("", "essay") == "{}"
        store.calibrations.remove("", "essay")
    assert store.calibrations.listed("") == {}


def test_a_database_of_the_fifth_schema_gets_room_for_calibrations(
    database_url: str, store: SqlStore
) -> None:
    make_fifth_schema(store)
    store.close()
    for _ in range(2):
        with contextlib.closing(SqlStore(database_url)) as opened:
            opened.calibrations.put("", "essay", "{}", 1.0)
            assert opened.calibrations.listed("") == {"essay": "{}"}
