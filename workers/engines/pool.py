"""The engines of a process: each loaded once, at its first use, and shared by every batch."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from graders.base import Completion, Model
from graders.errors import GraderConfigError
from workers.engines.base import Engine
from workers.engines.config import EngineConfig
from workers.engines.registry import build_engine
from workers.errors import EngineUnavailableError
from workers.producer import engine_complete

logger = logging.getLogger(__name__)


class EnginePool:
    """Hands out started engines by the names of the configuration.

    A load that failed is tried anew at the next call: what was broken may have been mended.
    """

    def __init__(self, configs: Mapping[str, EngineConfig]) -> None:
        self.configs = configs
        self._loads: dict[str, asyncio.Task[Engine]] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def get(self, name: str) -> Engine:
        """The engine, ready to generate. Raises EngineUnavailableError, saying what is broken.

        A caller that is cancelled does not spoil the load for others.
        """
        load = self._loads.get(name)
        if load is None or (load.done() and (load.cancelled() or load.exception())):
            load = asyncio.create_task(self._load(name), name=f"load {name}")
            load.add_done_callback(_retrieve)
            self._loads[name] = load
        return await asyncio.shield(load)

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
            self._turns[name] = asyncio.Semaphore(self._loads[name].result().concurrency)
        return self._turns[name]

    def loaded(self, name: str) -> bool:
        """Whether `get` would answer at once."""
        load = self._loads.get(name)
        return bool(load and load.done() and not load.cancelled() and not load.exception())

    async def aclose(self) -> None:
        """Stop loads under way and close the engines."""
        for name, load in self._loads.items():
            load.cancel()
            await asyncio.wait([load])
            if self.loaded(name):
                await load.result().aclose()
        self._loads.clear()
        self._turns.clear()

    async def _load(self, name: str) -> Engine:
        engine = await asyncio.to_thread(build_engine, self.configs[name])
        try:
            await engine.start()
        except (OSError, RuntimeError, ValueError) as exc:
            raise EngineUnavailableError(f"{name} can't be loaded: {exc}") from exc
        logger.info("loaded %s", name)
        return engine


def _retrieve(load: asyncio.Task[Engine]) -> None:
    """Whoever asked may be gone; the failure is logged and never 'never retrieved'."""
    if not load.cancelled() and (error := load.exception()):
        logger.error("%s failed: %s", load.get_name(), error)
