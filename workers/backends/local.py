"""Backend `local`: the engines are in this process. The actors of other backends host one."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import cast

from graders.base import AskAhead, Grader
from graders.calibration.certificate import Certificate
from graders.config import GradersConfig
from graders.gate import threshold_of
from graders.panel import Panel
from graders.registry import NOVELTY, build_graders
from graders.types import Source
from workers.backends.base import Job, check_structured
from workers.engines.base import Engine
from workers.engines.pool import EnginePool
from workers.errors import SpecError
from workers.producer import EarlyAbort, LocalProducer, OpenWatch, Watch, engine_complete

CONSISTENCY = "consistency"


class LocalBackend:
    """See workers.backends.base.Backend. The graders in `placed` run elsewhere already."""

    def __init__(
        self,
        engines: EnginePool,
        graders: GradersConfig,
        placed: Mapping[str, Grader] | None = None,
    ) -> None:
        self.models = engines.configs
        self._engines = engines
        self._graders = graders
        self._placed = placed or {}

    async def ready(self, model: str) -> None:
        await self._engines.get(model)

    def loaded(self, model: str) -> bool:
        return self._engines.loaded(model)

    @asynccontextmanager
    async def producer(self, job: Job) -> AsyncIterator[LocalProducer]:
        check_structured(job.recipe, self.models[job.model])
        engine = await self._engines.get(job.model)
        for asked in self._graders.models_of(job.gate.required):
            await self._engines.get(self._engines.checked(asked))
        panel = Panel(self._build(job, engine), job.gate)
        await panel.start()
        try:
            yield LocalProducer(
                engine,
                job.recipe,
                panel,
                job.batch_id,
                early_abort=_early_abort(panel) if self._graders.early_abort else None,
                watch=open_watch(
                    job, self._graders, panel.graders, asks=CONSISTENCY not in self._placed
                ),
                time_limit=job.time_limit,
                turns=self._engines.turns(job.model),
            )
        finally:
            await panel.aclose()

    async def aclose(self) -> None:
        await self._engines.aclose()

    def _build(self, job: Job, engine: Engine) -> list[Grader]:
        """The graders, in the recipe's order. Raises GraderConfigError and SpecError."""
        complete = engine_complete(engine)
        graders: list[Grader] = []
        for name in job.gate.required:
            if name in self._placed:
                graders.append(self._placed[name])
            elif name != NOVELTY:
                models = self._engines.model
                graders += build_graders(self._graders, [name], complete, models)
        _check_certificate(job.certificate, graders)
        return graders


def _check_certificate(certificate: Certificate | None, graders: Iterable[Grader]) -> None:
    """Refuse to run a certified batch with another version of its grader. Raises SpecError."""
    if certificate is None:
        return
    for grader in graders:
        if grader.name == certificate.grader and grader.version != certificate.grader_version:
            raise SpecError(
                f"the batch's certificate is for {grader.name} {certificate.grader_version}, here "
                f"it is {grader.version}: ask for a new batch"
            )


def open_watch(
    job: Job, config: GradersConfig, graders: Iterable[Grader], *, asks: bool
) -> OpenWatch | None:
    """What follows this job's texts claim by claim, wherever its consistency grader is placed.

    Where that grader asks the model through this process (`asks`), so do the watches.
    None where aborts are off, none of the job's `graders` is consistency, or the recipe does not
    say where its body begins.
    """
    body_start = job.recipe.body_start
    version = next((grader.version for grader in graders if grader.name == CONSISTENCY), None)
    if not config.early_abort or version is None or body_start is None:
        return None
    from graders.streaming import ClaimWatch, watches

    threshold = threshold_of(job.gate, CONSISTENCY)

    def watch(source: Source, ask: AskAhead) -> Watch | None:
        if not watches(source, threshold):
            return None
        return ClaimWatch(config.consistency, source, body_start, version, ask if asks else None)

    return watch


def _early_abort(panel: Panel) -> EarlyAbort | None:
    """The streaming check of the first grader that has one and whose word can refuse a text."""
    deciding = (grader for grader in panel.graders if threshold_of(panel.gate, grader.name) > 0)
    checks = (getattr(grader, "early_abort", None) for grader in deciding)
    return cast("EarlyAbort | None", next((check for check in checks if check), None))
