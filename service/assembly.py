"""From a batch's spec to what runs it: its graders, gate, producer and protected texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from graders.config import GradersConfig
from graders.gate import Gate
from graders.novelty import ProtectedTexts
from graders.panel import Panel
from graders.registry import NOVELTY, build_gate, build_graders
from graders.types import Candidate
from workers.engines.base import Engine
from workers.producer import EarlyAbort, LocalProducer, engine_complete
from workers.recipes import Recipe
from workers.types import BatchSpec


@dataclass(frozen=True, slots=True)
class Assembly:
    """What `run_batch` takes besides the spec and the store. Start `panel` before, close it after.

    `gate` is that of admission, so it requires `novelty` where the recipe does.
    """

    panel: Panel
    producer: LocalProducer
    gate: Gate
    protected: ProtectedTexts | None
    novelty_text: Callable[[Candidate], str]


def assemble(
    batch_id: str,
    spec: BatchSpec,
    recipe: Recipe,
    engine: Engine,
    graders: GradersConfig,
    *,
    protect: Sequence[str] = (),
    time_limit: float,
) -> Assembly:
    """Put a batch together on a shared engine. `protect` adds to the spec's own texts.

    Raises GraderConfigError.
    """
    gate = build_gate(graders, recipe.graders, spec.thresholds)
    stateless = gate.requiring(name for name in gate.required if name != NOVELTY)
    panel = Panel(build_graders(graders, recipe.graders, engine_complete(engine)), stateless)
    producer = LocalProducer(
        engine, recipe, panel, batch_id, early_abort=_early_abort(panel), time_limit=time_limit
    )
    texts = (*protect, *spec.protect)

    def novelty_text(candidate: Candidate) -> str:
        return candidate.fields.get(recipe.novelty_field) or candidate.body

    return Assembly(panel, producer, gate, ProtectedTexts(texts) if texts else None, novelty_text)


def _early_abort(panel: Panel) -> EarlyAbort | None:
    """The streaming check of the first grader that has one."""
    checks = (getattr(grader, "early_abort", None) for grader in panel.graders)
    return cast("EarlyAbort | None", next((check for check in checks if check), None))
