"""`winnow export --url`: a gateway's batch comes as it would from the database itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.client import GatewayClient
from tests.integration.conftest import SHEETS, GatewayProcess

pytestmark = pytest.mark.slow
REQUEST = {"recipe": "essay", "count": 3, "sources": SHEETS, "seed": 1}


async def test_a_gateways_batch_is_exported_as_the_databases(
    new_process: Callable[..., GatewayProcess], tmp_path: Path
) -> None:
    gateway = new_process()
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        batch_id = (await client.wait((await client.create_batch(REQUEST))["id"]))["id"]

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["export", *words])

    here, there = ("--db", f"sqlite:///{tmp_path}/winnow.db"), ("--url", gateway.url)
    for kind in ((), ("--rejects",)):
        told = [await asyncio.to_thread(run, batch_id, *kind, *held) for held in (here, there)]
        assert told[0].exit_code == told[1].exit_code == 0, told[1].stderr
        assert told[0].stdout == told[1].stdout
        assert told[0].stderr == told[1].stderr
    unknown = await asyncio.to_thread(run, "none", *there)
    assert unknown.exit_code == 2 and "none" in unknown.stderr
    assert len(unknown.stderr.strip().splitlines()) == 1
    await gateway.stop(SIGTERM)
