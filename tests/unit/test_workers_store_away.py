"""A database server that is away for some seconds is waited for; one that stays away is named."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from workers.errors import StoreError
from workers.store.connection import Database


class ServerError(Exception):
    """As psycopg raises it: with the server's code, or with none when there was no server."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr("workers.store.connection.AWAY_PAUSES", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr("workers.store.connection.PAUSES", (0.0,))
    with contextlib.closing(Database(f"sqlite:///{tmp_path}/winnow.db")) as opened:
        yield opened


def failing(times: int, message: str, sqlstate: str | None) -> "Work":
    return Work([OperationalError("", {}, ServerError(message, sqlstate)) for _ in range(times)])


class Work:
    """Work that fails some times and then succeeds."""

    def __init__(self, errors: list[OperationalError]) -> None:
        self.errors = errors

    def __call__(self, connection: Connection) -> int:
        if self.errors:
            raise self.errors.pop()
        return int(connection.execute(text("SELECT 42")).scalar_one())


@pytest.mark.parametrize(
    ("message", "sqlstate"),
    [
        ("connection to server at 127.0.0.1 failed: Connection refused", None),
        ("server closed the connection unexpectedly", None),
        ("FATAL: the database system is starting up", "57P03"),
        ("terminating connection due to administrator command", "57P01"),
        ("connection failure", "08006"),
        ("FATAL: the database system is not yet accepting connections", None),
        ("failed to resolve host 'db': [Errno -2] Name or service not known", None),
        ("FATAL: sorry, too many clients already", None),
    ],
)
def test_a_server_that_comes_back_is_waited_for(
    database: Database, message: str, sqlstate: str | None
) -> None:
    assert database.write(failing(4, message, sqlstate)) == 42


def test_a_server_that_stays_away_is_an_error_in_the_end(database: Database) -> None:
    with pytest.raises(StoreError, match="Connection refused"):
        database.read(failing(5, "Connection refused", None))


@pytest.mark.parametrize(
    "said",
    [
        'connection failed: FATAL: password authentication failed for user "winnow"',
        "fe_sendauth: no password supplied",
        'FATAL: database "winow" does not exist',
        'FATAL: no pg_hba.conf entry for host "10.0.0.7"',
    ],
)
def test_a_connection_that_is_refused_for_good_is_told_at_once(
    database: Database, said: str
) -> None:
    work = failing(1, said, None)
    with pytest.raises(StoreError, match="mend `database_url`"):
        database.read(work)
    assert not work.errors


def test_what_the_server_refuses_is_told_at_once(database: Database) -> None:
    work = failing(1, "column x does not exist", "42703")
    with pytest.raises(StoreError, match="column x"):
        database.read(work)
    assert not work.errors
