"""Tells whoever follows a batch that it changed, so that nobody polls for what happens here."""

import asyncio
from weakref import WeakValueDictionary


class Changes:
    """One event per batch that somebody follows, replaced at every change.

    Take the event, read the store, then wait for the event: no change in between is missed.
    """

    def __init__(self) -> None:
        self._events: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def next(self, batch_id: str) -> asyncio.Event:
        """Set at the batch's next change; forgotten once nobody holds it."""
        return self._events.setdefault(batch_id, asyncio.Event())

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
