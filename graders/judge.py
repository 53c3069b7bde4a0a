"""The model as judge: each claim of a text held against its source, with a verdict in set words.

A reply that can't be read is no opinion, never a low score. Canaries tell whether the judge is
to be relied upon (graders/canaries.py).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graders.base import Complete, Completion
from graders.canaries import Canary, CanaryWatch
from graders.claims import Claim, split_claims
from graders.config import JudgeConfig
from graders.errors import UngradedError
from graders.model_family import same_family
from graders.prompts import VERDICT_PROMPT, Ruling, Stance, claim_in_context, read_ruling
from graders.types import Candidate, Evidence, Grade, Source

logger = logging.getLogger(__name__)
NO_MODEL = "there is no model to ask: name one, or set graders.judge.model"


@dataclass(slots=True)
class _Case:
    """One candidate, its claims and what the judge said of each, filled in as it speaks."""

    candidate: Candidate
    source: Source
    claims: list[Claim]
    rulings: dict[int, Ruling] = field(default_factory=dict)
    trouble: str = ""


class JudgeGrader:
    """Scores the share of claims that the judge finds supported.

    `complete` asks the judge; `model` is its checkpoint, None when it is the model that writes.
    Every claim must get a verdict, or the text is ungraded. Raises JudgeUnhealthyError once the
    canaries show that the judge can't be relied upon, and at every call from then on.
    """

    name = "judge"
    version = "1"

    def __init__(
        self,
        config: JudgeConfig | None = None,
        complete: Complete | None = None,
        model: str | None = None,
    ) -> None:
        self.config = config or JudgeConfig()
        self.complete = complete
        self.model = model
        self.watch = CanaryWatch(self.config)
        self._warned: set[str] = set()

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Say how the judge did on its canaries."""
        if any(health.asked for health in self.watch.health().values()):
            logger.info("canaries of the judge: %s", self.watch)

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate, in order; all claims and canaries are asked in one call."""
        self.watch.check()
        cases = [_open_case(candidate) for candidate in candidates]
        if self.complete is None:
            return [self._ungraded(case if isinstance(case, str) else NO_MODEL) for case in cases]
        await self._ask([case for case in cases if isinstance(case, _Case)], self.complete)
        self.watch.check()
        return [self._grade(case) for case in cases]

    async def _ask(self, cases: Sequence[_Case], complete: Complete) -> None:
        """Greedily; a canary looks to the judge like any other claim."""
        asked: list[tuple[_Case | Canary, int, str]] = []
        for case in cases:
            asked += ((case, place, prompt) for place, prompt in _prompts(case))
            for canary in self.watch.plant(case.source, case.candidate.seed):
                asked.append((canary, 0, _prompt(canary.source, canary.claim)))
        if not asked:
            return
        replies = await complete(
            [prompt for _, _, prompt in asked],
            max_tokens=self.config.max_tokens,
            temperature=0.0,
            seeds=[0] * len(asked),
        )
        for (about, place, _), reply in zip(asked, replies, strict=True):
            if isinstance(about, Canary):
                self._hear_of_canary(about, reply)
            else:
                _hear(about, place, reply)

    def _hear_of_canary(self, canary: Canary, reply: Completion) -> None:
        """An unreadable reply is a miss: such a judge is no use. A failed call tells nothing."""
        if reply.error is not None:
            return
        try:
            supported = read_ruling(reply.text).stance is Stance.SUPPORTED
        except UngradedError:
            self.watch.record(canary, False)
            return
        self.watch.record(canary, supported is canary.holds)

    def _grade(self, case: _Case | str) -> Grade:
        if isinstance(case, str):
            return self._ungraded(case)
        evidence = tuple(sorted(_evidence(case), key=lambda item: item.supports))
        evidence += self._own_kind(case.candidate)
        silent = len(case.claims) - len(case.rulings)
        if silent:
            told = f"no verdict on {silent} of {len(case.claims)} claims: {case.trouble}"
            return self._ungraded(told, evidence)
        upheld = sum(ruling.stance is Stance.SUPPORTED for ruling in case.rulings.values())
        return Grade(self.name, self.version, upheld / len(case.claims), evidence)

    def _ungraded(self, reason: str, evidence: tuple[Evidence, ...] = ()) -> Grade:
        return Grade(self.name, self.version, None, evidence, reason)

    def _own_kind(self, candidate: Candidate) -> tuple[Evidence, ...]:
        """A flag when judge and writer are of one family, with one warning for each writer."""
        writer = candidate.model
        if not writer or not (self.model is None or same_family(self.model, writer)):
            return ()
        judge = self.model or writer
        told = f"the judge {judge} is of the writer's own family ({writer}) and may favour its text"
        if writer not in self._warned:
            self._warned.add(writer)
            logger.warning("%s; set graders.judge.model to a model of another family", told)
        return (Evidence("", told, supports=True),)


def _open_case(candidate: Candidate) -> _Case | str:
    if candidate.source is None or not candidate.source.text.strip():
        return "no source to hold the text against"
    claims = split_claims(candidate.body)
    return _Case(candidate, candidate.source, claims) if claims else "no checkable claim"


def _prompts(case: _Case) -> Iterator[tuple[int, str]]:
    for place, claim in enumerate(case.claims):
        before = case.claims[place - 1].text if place else ""
        yield place, _prompt(case.source.text, claim_in_context(claim.text, before))


def _prompt(source: str, claim: str) -> str:
    return VERDICT_PROMPT.format(source=source.strip(), claim=claim)


def _hear(case: _Case, place: int, reply: Completion) -> None:
    if reply.error is not None:
        case.trouble = reply.error
        return
    try:
        case.rulings[place] = read_ruling(reply.text)
    except UngradedError as exc:
        case.trouble = str(exc)


def _evidence(case: _Case) -> Iterator[Evidence]:
    offset = case.candidate.text.find(case.candidate.body)
    for place, ruling in sorted(case.rulings.items()):
        claim, supports = case.claims[place], ruling.stance is Stance.SUPPORTED
        at = case.source.text.find(ruling.quote) if ruling.quote else -1
        yield Evidence(
            claim.text,
            f"the judge says: {ruling.stance}",
            offset + claim.start if offset >= 0 else None,
            offset + claim.end if offset >= 0 else None,
            ruling.quote if at >= 0 else None,
            at if at >= 0 else None,
            at + len(ruling.quote) if at >= 0 else None,
            supports,
            claim.text,
        )
