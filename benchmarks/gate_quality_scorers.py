"""What scores texts: the graders as the gate runs them, parts of them alone, and baselines."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.gate_quality_scores import Score, Scorer
from benchmarks.labelled_sets import LabelledSet, LabelledText
from graders.base import Grader
from graders.claims import split_sentences
from graders.config import ConsistencyConfig, NoveltyConfig
from graders.consistency import ConsistencyGrader
from graders.entailment.model import SHIPPED, weights_of
from graders.errors import GraderError
from graders.novelty import VERSION, ProtectedItem, ProtectedTexts, fingerprint
from graders.novelty.embedding import Embedder, embedder_for


@dataclass(slots=True)
class GraderScorer:
    """A grader as the gate runs it; `threshold` is the one that the gate has by default."""

    name: str
    kind: str
    grader: Grader
    threshold: float | None
    weights: str = ""

    @property
    def version(self) -> str:
        return f"{self.grader.version} {self.weights}".strip()

    def applies(self, found: LabelledSet) -> bool:
        return found.kind == self.kind

    async def score(self, rows: Sequence[LabelledText]) -> list[Score]:
        grades = await self.grader.grade([row.candidate for row in rows])
        return [grade.score for grade in grades]


@dataclass(slots=True)
class FunctionScorer:
    """A baseline: one text at a time, no model."""

    name: str
    kind: str
    function: Callable[[LabelledText], Score]
    version: str = "1"
    threshold: float | None = None

    def applies(self, found: LabelledSet) -> bool:
        return found.kind == self.kind

    async def score(self, rows: Sequence[LabelledText]) -> list[Score]:
        return [self.function(row) for row in rows]


class ClaimScorer(GraderScorer):
    """The entailment model's own probability for one sentence, before any pooling."""

    def applies(self, found: LabelledSet) -> bool:
        return found.sentences_of is not None

    async def score(self, rows: Sequence[LabelledText]) -> list[Score]:
        return await asyncio.gather(*(self._score(row) for row in rows))

    async def _score(self, row: LabelledText) -> Score:
        assert isinstance(self.grader, ConsistencyGrader)
        source = row.candidate.source.text if row.candidate.source else ""
        support = await self.grader.claim_support(source, row.candidate.body, _sentence_before(row))
        return support.probability if support else None


def _sentence_before(row: LabelledText) -> str:
    """The sentence of the text that precedes the one to be judged."""
    at = int(row.id.rpartition("@")[2])
    before = [found.text for found in split_sentences(row.candidate.text) if found.end <= at]
    return before[-1] if before else ""


class NoveltyScorer:
    """The novelty of a text when the other one of its pair is protected."""

    name = "novelty"

    def __init__(self, embedder: Embedder | None) -> None:
        self.embedder = embedder
        self.threshold: float | None = NoveltyConfig().threshold

    @property
    def version(self) -> str:
        return f"{VERSION} {self.embedder.version if self.embedder else 'no embeddings'}"

    def applies(self, found: LabelledSet) -> bool:
        return found.kind == "novelty"

    async def score(self, rows: Sequence[LabelledText]) -> list[Score]:
        return [self._score(row) for row in rows]

    def _score(self, row: LabelledText) -> float:
        text, other = row.candidate.text, row.other or ""
        mine, theirs = self.embedder.embed([text, other]) if self.embedder else (None, None)
        protected = ProtectedTexts([ProtectedItem("other", other, theirs)])
        near = protected.nearest(text, fingerprint(text), mine)
        return 1.0 - near.similarity if near else 1.0


class CosineScorer(NoveltyScorer):
    """One less the cosine of both texts' embeddings, and nothing else."""

    name = "embedding cosine"

    def _score(self, row: LabelledText) -> float:
        assert self.embedder is not None
        mine, theirs = self.embedder.embed([row.candidate.text, row.other or ""])
        return 1.0 - min(1.0, max(0.0, float(mine @ theirs)))


def novelty_scorers() -> list[Scorer]:
    """With embeddings if they can be made here; without them, their cosine is left out."""
    make = embedder_for("auto")
    embedder = make() if make else None
    return [NoveltyScorer(embedder), *([CosineScorer(embedder)] if embedder else [])]


def consistency_scorers(model: str) -> list[Scorer]:
    """The consistency grader with one entailment model, and that model alone on sentences."""
    config = ConsistencyConfig(model=model, judge=False)
    grader, weights = ConsistencyGrader(config), weights_of(model)
    which = "" if model == SHIPPED else f", {model}"
    return [
        GraderScorer(f"consistency{which}", "consistency", grader, config.threshold, weights),
        ClaimScorer(f"its model alone{which}", "consistency", grader, 0.5, weights),
    ]


async def start_all(scorers: Sequence[Scorer]) -> list[Scorer]:
    """Start the graders; one that can't start is left out, with the reason on stderr."""
    started: list[Scorer] = []
    for scorer in scorers:
        if isinstance(scorer, GraderScorer):
            try:
                await scorer.grader.start()
            except GraderError as exc:
                print(f"{scorer.name} is left out: {exc}", file=sys.stderr)
                continue
        started.append(scorer)
    return started
