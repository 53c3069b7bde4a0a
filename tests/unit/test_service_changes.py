"""Followers of a batch are woken by its next change, and leave nothing behind."""

import asyncio

from service.changes import Changes, wait


async def test_every_follower_is_woken_by_the_next_change() -> None:
    changes = Changes()
    followers = [asyncio.create_task(wait(changes.next("a"), 60)) for _ in range(3)]
    await asyncio.sleep(0)
    changes.announce("b")
    assert not any(follower.done() for follower in followers)
    changes.announce("a")
    await asyncio.gather(*followers)


async def test_a_change_between_reading_and_waiting_is_not_missed() -> None:
    changes = Changes()
    event = changes.next("a")
    changes.announce("a")
    await wait(event, 60)
    assert changes.next("a") is not event


async def test_a_batch_that_nobody_follows_any_more_is_forgotten() -> None:
    changes = Changes()
    for n in range(100):
        changes.next(f"b{n}")
    held = changes.next("held")
    assert len(changes._events) == 1
    changes.announce_all()
    assert held.is_set()
