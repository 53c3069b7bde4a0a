"""The requests that an engine has in flight: their shares of its busy time, and how they end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from workers.errors import EngineError


class BusyTime:
    """At every moment each request in flight gets an equal part, so that the parts add up.

    This is the virtual time of processor sharing: Parekh and Gallager 1993, section II.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._in_flight = 0
        self._share = 0.0
        self._at = clock()

    @contextmanager
    def request(self) -> Iterator[Callable[[], float]]:
        """Around one request; the function tells its part so far, in seconds."""
        self._advance()
        entered = self._share
        self._in_flight += 1

        def seconds() -> float:
            self._advance()
            return self._share - entered

        try:
            yield seconds
        finally:
            self._advance()
            self._in_flight -= 1

    def _advance(self) -> None:
        now = self._clock()
        if self._in_flight:
            self._share += (now - self._at) / self._in_flight
        self._at = now


class InFlight:
    """Knows which requests are under way, so that closing the engine fails them by name."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()
        self._empty = asyncio.Event()

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Around one request. Raises EngineError when `aclose` is called meanwhile."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scopes.add(scope)
                try:
                    yield
                finally:
                    self._scopes.discard(scope)
                    if not self._scopes:
                        self._empty.set()
        except TimeoutError as exc:
            if scope.expired():
                raise EngineError("the engine was closed") from exc
            raise

    async def aclose(self) -> None:
        """End every request, and wait until the last has ended."""
        for scope in self._scopes:
            scope.reschedule(0)
        while self._scopes:
            self._empty.clear()
            await self._empty.wait()
