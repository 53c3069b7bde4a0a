"""The engines of a process: each loaded once, at its first use, and shared by every batch."""

import asyncio
from collections.abc import Mapping, Sequence

from graders.base import Completion, Model
from graders.errors import GraderConfigError
from workers.engines.base import Engine
from workers.engines.config import EngineConfig
from workers.engines.lasting import LastingEngine, OnDeath
from workers.producer import engine_complete


class EnginePool:
    """Hands out started engines by the names of the configuration.

    An engine that died is closed, and loaded anew at the next call or by whoever uses it, as is
    one whose load failed: what was broken may have been mended. `on_death` is told of each death.
    """

    def __init__(
        self, configs: Mapping[str, EngineConfig], on_death: OnDeath | None = None
    ) -> None:
        self.configs = configs
        self._on_death = on_death
        self._engines: dict[str, LastingEngine] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def get(self, name: str) -> Engine:
        """The engine, ready to generate. Raises EngineUnavailableError, saying what is broken.

        A caller that is cancelled does not spoil the load for others.
        """
        engine = self._engines.get(name)
        if engine is None:
            engine = LastingEngine(name, self.configs[name], self._on_death)
            self._engines[name] = engine
        await engine.start()
        return engine

    def model(self, name: str) -> Model:
        """The model as graders ask it; it is loaded when it is first asked.

        Raises GraderConfigError, naming those there are.
        """
        self.checked(name)

        async def complete(
            prompts: Sequence[str], *, max_tokens: int, temperature: float, seeds: Sequence[int]
        ) -> list[Completion]:
            ask = engine_complete(await self.get(name))
            return await ask(prompts, max_tokens=max_tokens, temperature=temperature, seeds=seeds)

        return Model(self.configs[name].model, complete)

    def checked(self, name: str) -> str:
        """The name, if a model has it. Raises GraderConfigError, naming those there are."""
        if name not in self.configs:
            known = ", ".join(self.configs)
            raise GraderConfigError(f"no model {name!r} is configured; there are: {known}")
        return name

    def turns(self, name: str) -> asyncio.Semaphore:
        """The slots of a loaded engine, for which the candidates of all batches queue."""
        if name not in self._turns:
            self._turns[name] = asyncio.Semaphore(self._engines[name].concurrency)
        return self._turns[name]

    def loaded(self, name: str) -> bool:
        """Whether `get` would answer at once."""
        return name in self._engines and self._engines[name].alive

    async def aclose(self) -> None:
        """Stop loads under way and close the engines."""
        engines, self._engines = self._engines, {}
        self._turns.clear()
        for engine in engines.values():
            await engine.aclose()
