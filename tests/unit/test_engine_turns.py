"""Turns at an endpoint, and the bookkeeping of requests in flight."""

import asyncio

import pytest

from workers.engines.in_flight import InFlight
from workers.engines.turns import Turns
from workers.errors import EngineError


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_wait_go_in_the_order_in_which_they_came() -> None:
    turns = Turns(1)
    first = await turns.take()
    order: list[int] = []

    async def wait(name: int) -> None:
        ticket = await turns.take()
        order.append(name)
        turns.succeed(ticket)

    async with asyncio.TaskGroup() as group:
        for name in range(5):
            group.create_task(wait(name))
        await settle()
        assert order == []
        turns.succeed(first)
    assert order == [0, 1, 2, 3, 4]


async def test_urgent_ones_go_before_others_that_wait() -> None:
    turns = Turns(1)
    first = await turns.take()
    order: list[str] = []

    async def wait(name: str) -> None:
        ticket = await turns.take(urgent=name.startswith("urgent"))
        order.append(name)
        turns.succeed(ticket)

    async with asyncio.TaskGroup() as group:
        for name in ("text 1", "urgent 1", "text 2", "urgent 2"):
            group.create_task(wait(name))
            await settle()
        turns.succeed(first)
    assert order == ["urgent 1", "urgent 2", "text 1", "text 2"]


async def test_a_waiter_that_is_cancelled_takes_no_turn() -> None:
    turns = Turns(1)
    first = await turns.take()
    waiting = asyncio.create_task(turns.take())
    await settle()
    waiting.cancel()
    turns.release(first)
    await asyncio.gather(waiting, return_exceptions=True)
    assert turns.limit.in_flight == 0


async def test_a_turn_given_in_the_moment_of_cancelling_comes_back() -> None:
    turns = Turns(1)
    first = await turns.take()
    waiting = asyncio.create_task(turns.take())
    await settle()
    turns.release(first)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert turns.limit.in_flight == 0


async def test_after_a_hold_the_waiters_go_on_by_themselves() -> None:
    turns = Turns(2)
    turns.congest(await turns.take(), hold_s=0.02)
    assert not turns.limit.may_send(asyncio.get_running_loop().time())
    turns.release(await asyncio.wait_for(turns.take(), 5))


async def test_closing_fails_each_request_and_waits_for_its_end() -> None:
    in_flight = InFlight()
    ended: list[int] = []

    async def request(name: int) -> None:
        async with in_flight.request():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

    tasks = [asyncio.create_task(request(name)) for name in range(3)]
    await settle()
    await in_flight.aclose()
    assert sorted(ended) == [0, 1, 2]
    for task in tasks:
        with pytest.raises(EngineError, match="closed"):
            await task
    await in_flight.aclose()


async def test_a_time_out_of_the_request_itself_is_not_taken_for_closing() -> None:
    with pytest.raises(TimeoutError):
        async with InFlight().request():
            raise TimeoutError
