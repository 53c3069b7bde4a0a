"""One database, SQLite or PostgreSQL: its transactions, its settings, its errors translated.

Writers on SQLite begin with BEGIN IMMEDIATE, so that what they read still holds when they write.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workers.errors import StoreError, StoreFullError

Result = TypeVar("Result")

BUSY_SECONDS = 5.0
PAUSES = (0.05, 0.2, 0.8)
AWAY_PAUSES = (0.5, 1.0, 2.0, 4.0, 4.0, 4.0)
"""While a server is away: some fifteen seconds, about as long as SQLite's locks are waited for."""
CONNECT_SECONDS = 10
_IN_MEMORY = (None, "", ":memory:")
_POSTGRES_FULL = "53100"
_POSTGRES_AWAY = ("08", "53300", "57P01", "57P02", "57P03")
"""Connection lost or refused, too many of them, the server shutting down, crashed, starting up."""
_REFUSED_FOR_GOOD = (
    *("authentication", "no password", "pg_hba.conf", "does not exist", "permission denied"),
    *("does not support ssl", "certificate"),
)
"""What is said of a connection that waiting won't mend; whoever says it sends no code along."""
_POSTGRES_TRANSIENT = ("40001", "40P01", "55P03", "23505")
"""Serialization failure, deadlock, lock not available, and losing a race to insert."""


class Database:
    """Runs functions of a Connection in read and write transactions.

    Raises StoreError for everything that the database refuses, StoreFullError for a full disk.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = _create_engine(url)
        self._writer = self._engine.execution_options(winnow_write=True)
        self._reader = self._engine
        if self._engine.dialect.name == "postgresql":
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction that sees one state of the database."""
        return self._run(self._reader, work)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction that commits, or leaves no trace.

        It may run again, even after it was committed, when the server went away before it said so:
        `work` must know its own rows. On PostgreSQL each statement sees what was committed before
        it; what must hold until the end is to be locked.
        """
        return self._run(self._writer, work)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    def _run(self, engine: Engine, work: Callable[[Connection], Result]) -> Result:
        pauses, waits = iter(PAUSES), iter(AWAY_PAUSES)
        while True:
            try:
                with engine.begin() as connection:
                    return work(connection)
            except DBAPIError as exc:
                away = _is_away(exc)
                pause = next(waits if away else pauses, None)
                if pause is None or not (away or _is_transient(exc)):
                    raise _translated(exc, self._name) from exc
            except PoolTimeoutError as exc:
                raise StoreError(f"{self._name}: too many at once; try again") from exc
            time.sleep(pause)

    @property
    def _name(self) -> str:
        return make_url(self._url).render_as_string(hide_password=True)


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True, connect_args=_patience(parsed))
        if parsed.database in _IN_MEMORY:
            raise StoreError("the database needs a file, for example sqlite:///winnow.db")
        engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError, ImportError) as exc:
        raise StoreError(f"the database URL can't be used: {exc}") from exc
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _patience(url: URL) -> dict[str, int]:
    """How long to wait for one connection, where the URL does not say."""
    if url.get_backend_name() != "postgresql" or "connect_timeout" in url.query:
        return {}
    return {"connect_timeout": CONNECT_SECONDS}


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("winnow_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_transient(exc: DBAPIError) -> bool:
    message = str(exc.orig).lower()
    return "is locked" in message or _sqlstate(exc) in _POSTGRES_TRANSIENT


def _is_away(exc: DBAPIError) -> bool:
    """Whether there is no server to talk to now, but may be soon."""
    if not isinstance(exc, OperationalError) or not hasattr(exc.orig, "sqlstate"):
        return False
    state = _sqlstate(exc)
    if state is not None:
        return state.startswith(_POSTGRES_AWAY)
    return not _is_refused(exc)


def _is_refused(exc: DBAPIError) -> bool:
    message = str(exc.orig).lower()
    return _sqlstate(exc) is None and any(said in message for said in _REFUSED_FOR_GOOD)


def _sqlstate(exc: DBAPIError) -> str | None:
    return getattr(exc.orig, "sqlstate", None)


def _translated(exc: DBAPIError, name: str) -> StoreError:
    message = str(exc.orig)
    if "disk is full" in message or _sqlstate(exc) == _POSTGRES_FULL:
        return StoreFullError(f"no room left for {name}: free some, then resume")
    if "not a database" in message:
        return StoreError(f"{name} is not a database: name another file")
    if hasattr(exc.orig, "sqlstate") and _is_refused(exc):
        return StoreError(f"{name} lets nobody in like that, mend `database_url`: {message}")
    return StoreError(f"{name}: {message}")
