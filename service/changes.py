"""Tells whoever follows a batch that it changed, so that nobody polls for what happens here."""

import asyncio
from collections import defaultdict


class Changes:
    """One event per batch, replaced at every change.

    Take the event, read the store, then wait for the event: no change in between is missed.
    """

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def next(self, batch_id: str) -> asyncio.Event:
        """Set at the batch's next change."""
        return self._events[batch_id]

    def announce(self, batch_id: str) -> None:
        """Wake all who wait for this batch."""
        event = self._events.pop(batch_id, None)
        if event is not None:
            event.set()

    def announce_all(self) -> None:
        """Wake everyone."""
        for batch_id in list(self._events):
            self.announce(batch_id)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, at the latest after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
