"""Has requests to an endpoint wait for their turn under an AdaptiveLimit, urgent ones first."""

import asyncio
from collections import deque

from workers.engines.adaptive_limit import AdaptiveLimit


class Turns:
    """Hands out turns within one event loop. Every ticket taken goes back exactly once."""

    def __init__(self, most: int) -> None:
        self.limit = AdaptiveLimit(most)
        self._urgent: deque[asyncio.Future[int]] = deque()
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._wake: asyncio.TimerHandle | None = None

    async def take(self, *, urgent: bool = False) -> int:
        """Wait until one more request may go out; its ticket."""
        loop = asyncio.get_running_loop()
        if not self._line and self.limit.may_send(loop.time()):
            return self.limit.sent()
        waiter: asyncio.Future[int] = loop.create_future()
        (self._urgent if urgent else self._waiting).append(waiter)
        self._serve()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release(waiter.result())
            raise

    def succeed(self, ticket: int) -> None:
        """The request with this ticket was answered."""
        self.limit.succeeded(ticket)
        self._serve()

    def congest(self, ticket: int, hold_s: float = 0.0) -> None:
        """The endpoint refused it for its load, or did not answer; send nothing for `hold_s`."""
        self.limit.congested(ticket, asyncio.get_running_loop().time() + hold_s)
        self._serve()

    def release(self, ticket: int) -> None:
        """The request ended in a way that tells nothing about the load."""
        self.limit.released(ticket)
        self._serve()

    @property
    def _line(self) -> deque[asyncio.Future[int]]:
        """Those whose turn is next; empty when nobody waits."""
        return self._urgent or self._waiting

    def _serve(self) -> None:
        """Let go whoever may; while the endpoint asked for quiet, come back when that is over."""
        loop = asyncio.get_running_loop()
        while self._line and self.limit.may_send(loop.time()):
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(self.limit.sent())
        if self._line and self._wake is None and self.limit.held_until > loop.time():
            self._wake = loop.call_at(self.limit.held_until, self._resume)

    def _resume(self) -> None:
        self._wake = None
        self._serve()
