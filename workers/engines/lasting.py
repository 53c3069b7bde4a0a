"""An engine that outlives its deaths: one that died is closed, and another is loaded in its place.

`outlast` repeats what a death broke off, and by `gave_up` an engine that hangs is found dead. The
rest of the program holds a `LastingEngine` as it would hold any engine.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from workers.engines.base import Engine, Generation, GenerationRequest, OnText
from workers.engines.config import EngineConfig
from workers.engines.in_flight import InFlight
from workers.engines.registry import build_engine
from workers.errors import EngineDiedError, EngineError, EngineUnavailableError
from workers.shared_work import SharedWork

logger = logging.getLogger(__name__)
TRIES: Final = 3
"""How often one piece of work is begun, when the engine dies under it every time."""
HUNG_AFTER: Final = 3
"""So many requests given up in a row, with no sign of life from first to last, mean a hang."""
BURIAL_SECONDS: Final = 60.0
"""The longest that the closing of a dead engine holds up the load of the next."""
OnDeath = Callable[[EngineDiedError], None]
Result = TypeVar("Result")


class LastingEngine:
    """See workers.engines.base.Engine. `start` loads the model when none is loaded, or it died.

    A load that failed is tried anew at the next `start`: what was broken may have been mended. A
    caller that is cancelled does not spoil the load for others. `on_death` is told of each death,
    at once. `concurrency` is known once the model was loaded.
    """

    def __init__(self, name: str, config: EngineConfig, on_death: OnDeath | None = None) -> None:
        self.model = config.model
        self.concurrency = 1
        self._name = name
        self._config = config
        self._on_death = on_death
        self._engine: Engine | None = None
        self._death: EngineDiedError | None = None
        self._closed = False
        self._loading = SharedWork(f"load {name}", self._load)
        self._burial = SharedWork(f"close {name}", self._bury)
        self._dead: list[Engine] = []
        self._in_flight = InFlight()
        self._last_sign = 0.0
        self._given_up = 0

    @property
    def alive(self) -> bool:
        """Whether the model is loaded and, as far as is known, works."""
        return self._engine is not None

    async def start(self) -> None:
        """Have the model loaded. Raises EngineUnavailableError, saying what is broken."""
        if self._closed:
            raise EngineUnavailableError(f"{self._name} was closed")
        if self._engine is None:
            await self._loading.run()

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        """As the engine does. Raises EngineDiedError also for what its closing broke off."""
        engine = self._engine
        if engine is None:
            raise self._absence()
        try:
            async with self._in_flight.request():
                generation = await engine.generate(request, self._hearing(on_text))
        except EngineDiedError as exc:
            self._die(engine, exc)
            raise
        except EngineError as exc:
            if engine is self._engine or self._closed:
                raise
            raise EngineDiedError(str(self._death)) from exc
        self._sign()
        return generation

    def gave_up(self, seconds: float) -> None:
        """Hear that a request was given up after so many seconds.

        Raises EngineDiedError when it was the last of `HUNG_AFTER` in a row, throughout each of
        which nobody got a reply or a piece of text: this engine hangs, and another is to be loaded.
        """
        if self._engine is None:
            raise self._absence()
        if time.monotonic() - self._last_sign < seconds:
            return
        self._given_up += 1
        if self._given_up >= HUNG_AFTER:
            death = EngineDiedError(
                f"it hangs: {self._given_up} requests in a row got nothing for {seconds:g} s"
            )
            self._die(self._engine, death)
            raise death

    async def aclose(self) -> None:
        """Stop a load under way and close what is loaded; it can't be started again."""
        self._closed = True
        await self._loading.aclose()
        await self._burial.wait()
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.aclose()

    async def _load(self) -> None:
        await self._burial.wait()  # the dead one may hold the memory that this one needs
        engine = await asyncio.to_thread(build_engine, self._config)
        try:
            await engine.start()
        except (OSError, RuntimeError, ValueError) as exc:
            raise EngineUnavailableError(f"{self._name} can't be loaded: {exc}") from exc
        logger.info("loaded %s", self._name)
        self._engine, self.concurrency = engine, engine.concurrency
        self._sign()

    def _sign(self) -> None:
        """The engine lives."""
        self._last_sign, self._given_up = time.monotonic(), 0

    def _hearing(self, on_text: OnText | None) -> OnText | None:
        if on_text is None:
            return None

        def heard(text: str) -> bool:
            self._sign()
            return on_text(text)

        return heard

    def _die(self, engine: Engine, exc: EngineDiedError) -> None:
        if engine is not self._engine:
            return
        logger.error("%s died: %s", self._name, exc)
        self._engine, self._death = None, exc
        self._dead.append(engine)
        self._burial.begin()
        if self._on_death:
            self._on_death(exc)

    async def _bury(self) -> None:
        """End what the dead have in hand, then close them, which one that hangs may not allow."""
        try:
            async with asyncio.timeout(BURIAL_SECONDS):
                await self._in_flight.aclose()
                while self._dead:
                    await self._dead.pop().aclose()
        except TimeoutError:
            logger.error("the dead %s can't be closed in %g s", self._name, BURIAL_SECONDS)

    def _absence(self) -> EngineUnavailableError:
        if self._death is not None and not self._closed:
            return EngineDiedError(str(self._death))
        return EngineUnavailableError("the engine is not running: call start() first")


def gave_up(engine: Engine, seconds: float) -> None:
    """Tell an engine that a request to it was given up: see LastingEngine."""
    if isinstance(engine, LastingEngine):
        engine.gave_up(seconds)


async def outlast(engine: Engine, work: Callable[[], Awaitable[Result]]) -> Result:
    """Begin this work anew when the engine dies under it, on the one that takes its place.

    Raises EngineDiedError when the last of `TRIES` has that end too, and as `engine.start`.
    """
    for _ in range(TRIES - 1):
        try:
            return await work()
        except EngineDiedError:
            await engine.start()
    return await work()
