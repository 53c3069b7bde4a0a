"""The requests that an engine has in flight, and how they end when it is closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workers.errors import EngineError


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
