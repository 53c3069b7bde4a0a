"""Gateways for tests: in this process over ASGI, or in one of their own that can be killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.app import create_app
from service.client import GatewayClient
from service.settings import load_settings

SHEETS = [
    f"Name: {name}\nKind: river\nLength: {length} km\nSource: {source}\nMouth: {mouth}\n"
    f"Country: {country}\nLargest city: {city}"
    for name, length, source, mouth, country, city in (
        ("Aldra", 412, "Mount Voss", "Lake Teal", "Norrland", "Brint"),
        ("Sarn", 873, "the Karo hills", "the Grey Sea", "Ostia", "Velmar"),
        ("Miro", 259, "Lake Anso", "the Tamber", "Lorrin", "Quell"),
    )
]
ROOT = Path(__file__).parents[2]
SERVE = [sys.executable, "-m", "service.cli", "serve", "--log-level", "warning"]
START_SECONDS, STOP_SECONDS = 120, 60

OpenGateway = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def fake(**options: Any) -> dict[str, Any]:
    """The configuration of a gateway's only model, the scripted engine."""
    return {"fake": {"kind": "scripted", **options}}


@pytest.fixture
def open_gateway(tmp_path: Path) -> OpenGateway:
    """`async with open_gateway(**settings) as http`: a gateway on this test's own database."""

    @asynccontextmanager
    async def open_(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        given = {"database_url": f"sqlite:///{tmp_path}/winnow.db", "models": fake(), **settings}
        app = create_app(load_settings(**given))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
        ):
            yield client

    return open_


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway with the scripted engine and default settings."""
    async with open_gateway() as client:
        yield client


@dataclass
class GatewayProcess:
    """A gateway in a process of its own, on a port of its own."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.process = subprocess.Popen(SERVE, env=self.environment, cwd=ROOT)
        async with GatewayClient(self.url) as client, asyncio.timeout(START_SECONDS):
            while not await client.ready():
                assert self.process.poll() is None, "the gateway ended at once"
                await asyncio.sleep(0.05)

    async def stop(self, how: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return await asyncio.to_thread(self.process.wait, STOP_SECONDS)


@pytest.fixture
def new_process(tmp_path: Path) -> Iterator[Callable[..., GatewayProcess]]:
    """Makes gateway processes that share this test's database; kills what is left of them."""
    made: list[GatewayProcess] = []

    def new(**engine: Any) -> GatewayProcess:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "WINNOW_PORT": str(port),
            "WINNOW_DATABASE_URL": f"sqlite:///{tmp_path}/winnow.db",
            "WINNOW_LEASE_SECONDS": "1.5",
            "WINNOW_MODELS": orjson.dumps(fake(**engine)).decode(),
        }
        made.append(GatewayProcess(f"http://127.0.0.1:{port}", {**os.environ, **settings}))
        return made[-1]

    yield new
    for gateway in made:
        if gateway.process and gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()
