"""Gateways in processes of their own: killed, stopped, left by clients, sharing a database."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from service.batch_runs import run_there
from service.client import GatewayClient, GatewayError
from tests.integration.conftest import ROOT, SHEETS, STOP_SECONDS, GatewayProcess

SLOW = {"latency_s": 0.03, "concurrency": 2}
NewProcess = Callable[..., GatewayProcess]
pytestmark = pytest.mark.slow


def request(count: int) -> dict[str, Any]:
    return {"recipe": "problem_set", "count": count, "sources": SHEETS}


async def some_admitted(client: GatewayClient, batch_id: str, count: int) -> list[dict[str, Any]]:
    """Follow until `count` samples have come, then go away in mid-stream."""
    seen: list[dict[str, Any]] = []
    async with aclosing(client.follow_samples(batch_id)) as samples:
        async for sample in samples:
            seen.append(sample)
            if len(seen) == count:
                return seen
    raise AssertionError("the batch ended before it could be interrupted")


async def assert_exactly(
    client: GatewayClient, batch_id: str, count: int, seen: list[dict[str, Any]]
) -> None:
    """The batch completes with `count` samples, none twice, those already seen among them."""
    batch = await client.wait(batch_id)
    samples = [sample async for sample in client.samples(batch_id)]
    rejects = [row async for row in client.rejects(batch_id)]
    assert batch["status"] == "completed"
    assert len(samples) == count == batch["request_counts"]["accepted"]
    assert samples[: len(seen)] == seen
    assert len({sample["text"] for sample in samples}) == count
    seqs = sorted(row["seq"] for row in samples + rejects)
    assert seqs == list(range(len(seqs)))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_gateway_stopped_in_mid_batch_finishes_it_after_the_restart(
    new_process: NewProcess, how: signal.Signals
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        batch_id = (await client.create_batch(request(40), idempotency_key="once"))["id"]
        seen = await some_admitted(client, batch_id, 5)
        await gateway.stop(how)
        with pytest.raises(GatewayError):
            await client.get_batch(batch_id)
        await gateway.start()
        again = await client.create_batch(request(40), idempotency_key="once")
        assert again["id"] == batch_id
        await assert_exactly(client, batch_id, 40, seen)


async def test_a_follower_is_told_when_the_gateway_stops_before_the_batch_ends(
    new_process: NewProcess,
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        batch_id = (await client.create_batch(request(1000)))["id"]
        async with aclosing(client.follow_samples(batch_id)) as samples:
            await anext(samples)
            code = await gateway.stop(signal.SIGTERM)
            with pytest.raises(GatewayError):
                async for _ in samples:
                    pass
    assert code in (0, -signal.SIGTERM)


async def test_a_follower_that_goes_away_leaves_its_batch_running(new_process: NewProcess) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        batch_id = (await client.create_batch(request(15)))["id"]
        seen = await some_admitted(client, batch_id, 2)
        await client.aclose()
        await assert_exactly(client, batch_id, 15, seen)


async def test_a_synchronous_client_that_goes_away_cancels_its_batch(
    new_process: NewProcess,
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        async with aclosing(client.generate(request(50))) as samples:
            first = await anext(samples)
        await client.aclose()
        batch = await client.wait(first["batch_id"])
    assert batch["status"] == "cancelled"
    assert 0 < batch["request_counts"]["accepted"] < 50


async def test_a_synchronous_stream_breaks_off_when_the_gateway_stops_and_its_batch_is_cancelled(
    new_process: NewProcess,
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        async with aclosing(client.generate(request(50))) as samples:
            first = await anext(samples)
            await gateway.stop(signal.SIGTERM)
            with pytest.raises(GatewayError):
                async for _ in samples:
                    pass
        await gateway.start()
        batch = await client.wait(first["batch_id"])
    assert (batch["status"], batch["stop_reason"]) == ("cancelled", "cancelled")


async def test_two_gateways_on_one_database_run_each_batch_once(new_process: NewProcess) -> None:
    first, second = new_process(**SLOW), new_process(**SLOW)
    await first.start()
    async with GatewayClient(first.url) as one, GatewayClient(second.url) as two:
        batch_id = (await one.create_batch(request(40)))["id"]
        await second.start()
        seen = await some_admitted(two, batch_id, 5)
        cancelled = (await two.create_batch(request(1000)))["id"]
        await one.cancel(cancelled)
        assert (await one.wait(cancelled))["status"] == "cancelled"
        await first.stop(signal.SIGKILL)
        await assert_exactly(two, batch_id, 40, seen)


class Witness:
    """A watcher that keeps what it is told, and says when the first sample has come."""

    wants_rejects = True

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []
        self.rejects: list[dict[str, Any]] = []
        self.began = asyncio.Event()
        self.batch, self.reject = self.batches.append, self.rejects.append

    def sample(self, line: dict[str, Any]) -> None:
        self.samples.append(line)
        self.began.set()


async def test_a_command_at_a_gateway_hears_everything_and_cancels_when_interrupted(
    new_process: NewProcess,
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    witness = Witness()
    batch = await run_there(gateway.url, request(5), witness)
    counts = batch["request_counts"]
    assert batch["status"] == "completed" and len(witness.samples) == counts["accepted"] == 5
    assert len(witness.rejects) == counts["rejected"] + counts["failed"]
    left = Witness()
    command = asyncio.create_task(run_there(gateway.url, request(1000), left))
    await left.began.wait()
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    async with GatewayClient(gateway.url) as client:
        assert (await client.wait(left.batches[0]["id"]))["status"] == "cancelled"


OWN_GATEWAY = """
import asyncio
from service.gateway_process import own_gateway

async def main():
    async with own_gateway({"fake": "scripted"}) as url:
        print(url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_gateway_of_ones_own_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", OWN_GATEWAY], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        url = (await asyncio.to_thread(owner.stdout.readline)).decode().strip()
        async with GatewayClient(url) as client:
            assert await client.ready()
            owner.kill()
            async with asyncio.timeout(STOP_SECONDS):
                while await client.ready():
                    await asyncio.sleep(0.05)
