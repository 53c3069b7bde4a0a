"""Gateways in processes of their own: killed, stopped, left by clients, sharing a database."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from service.client import GatewayClient, GatewayError
from tests.integration.conftest import SHEETS, GatewayProcess

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
        follower = asyncio.ensure_future(some_admitted(client, batch_id, 1000))
        await asyncio.sleep(0.5)
        code = await gateway.stop(signal.SIGTERM)
        with pytest.raises(GatewayError):
            await follower
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
