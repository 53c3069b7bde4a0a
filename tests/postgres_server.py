"""A PostgreSQL server of the tests' own: on a socket in a folder, without a password."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

FOLDERS = ("/usr/local/bin", "/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin")
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=60 -k "


def installed() -> Path | None:
    """The folder with PostgreSQL's programs, if it is installed."""
    on_path = shutil.which("initdb")
    found = [Path(on_path)] if on_path else []
    found += [file for folder in FOLDERS for file in Path("/").glob(f"{folder[1:]}/initdb")]
    return found[0].resolve().parent if found else None


class PostgresServer:
    """Can be stopped as if it crashed, and started again; `new_database` gives an empty one."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._user = _unprivileged(folder)
        self._names = (f"test{n}" for n in count())
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "winnow", "-E", "UTF8", "-N")
        self.start()

    def start(self) -> None:
        """Return when it takes connections."""
        options = f"{SETTINGS}{self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash, `fast` an orderly end."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def new_database(self) -> str:
        """The SQLAlchemy URL of an empty database."""
        import psycopg

        name = next(self._names)
        address = f"host={self._folder} user=winnow dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://winnow@/{name}?host={self._folder}"

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        """The server keeps its output open, so nobody waits for that to end."""
        with tempfile.TemporaryFile() as said:
            command = [str(self._programs / program), *arguments]
            done = subprocess.run(
                command, stdout=said, stderr=said, cwd=self._folder, check=False, **self._user
            )
            said.seek(0)
            assert done.returncode == 0, f"{command}: {said.read().decode()}"


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to be run by root; then nobody runs it."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    return {"user": "nobody", "extra_groups": []}


@contextmanager
def running_server(programs: Path) -> Iterator[PostgresServer]:
    """A new server, stopped and removed in the end."""
    with tempfile.TemporaryDirectory(prefix="winnow-pg-", dir="/tmp") as name:
        server = PostgresServer(programs, Path(name))
        try:
            yield server
        finally:
            server.stop()
