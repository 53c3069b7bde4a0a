"""Grades texts that you already have: rows in, rows out, in the same order.

Earlier accepted rows count as admitted: a later row that repeats one is not new.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import Any

from graders.base import Complete, Grader, Models
from graders.config import GradersConfig
from graders.errors import GraderConfigError, IndexUnavailableError
from graders.gate import Gate, decide
from graders.novelty import (
    VERSION,
    MemoryIndex,
    Neighbour,
    NoveltyIndex,
    ProtectedTexts,
    copied_from_source,
    fingerprint,
    novelty_grade,
    protect_now,
)
from graders.novelty.embedding import shared_embedder
from graders.panel import FIRST, Judged, Panel
from graders.registry import NOVELTY, build_gate, build_graders, check_names
from graders.rows import RowRecipe, candidate_from_row, graders_for, row_result, unsupported
from graders.types import Candidate, Grade

BATCH_SIZE = 32


async def grade_rows(
    rows: Iterable[Mapping[str, Any]], grader: "RowGrader", batch_size: int = BATCH_SIZE
) -> AsyncIterator[dict[str, Any]]:
    """Grade rows in small batches; results come in the order of the rows.

    Raises GraderConfigError at the first batch with a bad row, after the batches before it.
    Closing the grader stays with the caller.
    """
    remaining, index = iter(rows), 0
    while batch := list(islice(remaining, batch_size)):
        for result in await grader.grade(batch, index):
            yield result
        index += len(batch)


class RowGrader:
    """Grades rows one batch after another against one novelty index.

    `graders` names those to use on every row; None chooses by what each row holds. A grader that
    is named but that a row can't support leaves the row ungraded, so rejected. Without `novelty`
    rows are not compared with each other, and no row's verdict depends on those before it. Texts
    to `protect` are made ready here and now; `protected` are those that are ready.
    """

    def __init__(
        self,
        config: GradersConfig,
        complete: Complete | None = None,
        *,
        models: Models | None = None,
        graders: Sequence[str] | None = None,
        thresholds: Mapping[str, float] | None = None,
        recipes: Mapping[str, RowRecipe] | None = None,
        protect: Iterable[str] = (),
        protected: Sequence[ProtectedTexts] = (),
        index: NoveltyIndex | None = None,
        novelty: bool = True,
    ) -> None:
        check_names((*(graders or ()), *(thresholds or {})))
        if graders is not None and not graders:
            raise GraderConfigError("no grader is named; leave the selection out for the default")
        self._config, self._thresholds = config, thresholds
        self._complete, self._models = complete, models
        self._selection = tuple(dict.fromkeys(graders)) if graders is not None else None
        self._recipes = recipes or {}
        self._protected = (*protected, protect_now(protect, config.novelty))
        self._index = index if index is not None else MemoryIndex()
        self._without = () if novelty else (NOVELTY,)
        self._built: dict[str, Grader] = {}
        self._indexed: set[str] = set()
        self._building, self._admitting = asyncio.Lock(), Lock()

    def read(self, row: Mapping[str, Any], index: int) -> Candidate:
        """One row as a Candidate. Raises GraderConfigError; see `candidate_from_row`."""
        name = row.get("recipe") if isinstance(row, Mapping) else None
        if isinstance(name, str) and name not in self._recipes:
            known = ", ".join(sorted(self._recipes)) or "none"
            raise GraderConfigError(
                f"row {index + 1}: unknown recipe {name!r} in field 'recipe'; there are: {known}"
            )
        recipe = self._recipes[name] if isinstance(name, str) else None
        return candidate_from_row(row, index, recipe.parse if recipe else None)

    async def grade(
        self, rows: Sequence[Mapping[str, Any]], first_index: int = 0
    ) -> list[dict[str, Any]]:
        """Grade some rows, in order. Raises GraderConfigError for a bad row before grading any."""
        candidates = [self.read(row, first_index + n) for n, row in enumerate(rows)]
        groups: dict[tuple[str, ...], list[int]] = {}
        for n, candidate in enumerate(candidates):
            groups.setdefault(self._names(candidate), []).append(n)
        judged: dict[int, Judged] = {}
        for names, members in groups.items():
            results = await self._grade_alike(names, [candidates[n] for n in members])
            judged.update(zip(members, results, strict=True))
        return await asyncio.to_thread(self._admit_all, rows, candidates, judged)

    async def aclose(self) -> None:
        """Close every grader that was needed."""
        await Panel(list(self._built.values()), Gate({}, ())).aclose()
        self._built.clear()

    def _names(self, candidate: Candidate) -> tuple[str, ...]:
        names = self._selection or graders_for(candidate, self._recipes.get(candidate.recipe))
        return tuple(name for name in names if name not in self._without)

    def _gate(self, names: Iterable[str]) -> Gate:
        wanted = tuple(names)
        overrides = {k: v for k, v in (self._thresholds or {}).items() if k in wanted}
        return build_gate(self._config, wanted, overrides)

    async def _grade_alike(
        self, names: tuple[str, ...], candidates: Sequence[Candidate]
    ) -> list[Judged]:
        """Run the stateless graders; those that a candidate can't support leave it ungraded."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for n, candidate in enumerate(candidates):
            fit = tuple(name for name in names if not unsupported(candidate, name))
            groups.setdefault(fit, []).append(n)
        judged: dict[int, Judged] = {}
        for fit, members in groups.items():
            graders = [await self._started(name) for name in fit if name != NOVELTY]
            panel = Panel(graders, self._gate(name for name in fit if name != NOVELTY))
            results = await panel.grade([candidates[n] for n in members])
            judged.update(zip(members, results, strict=True))
        return [_with_ungraded(judged[n], names, c) for n, c in enumerate(candidates)]

    async def _started(self, name: str) -> Grader:
        """The one grader of this name; batches graded at once wait for its start."""
        async with self._building:
            if name not in self._built:
                (grader,) = build_graders(self._config, [name], self._complete, self._models)
                await grader.start()
                self._built[name] = grader
            return self._built[name]

    def _admit_all(
        self,
        rows: Sequence[Mapping[str, Any]],
        candidates: Sequence[Candidate],
        judged: Mapping[int, Judged],
    ) -> list[dict[str, Any]]:
        """Row results in order. Seconds of work on long rows, so run beside the event loop."""
        output = []
        with self._admitting:  # the index is not for several threads at once
            for n, candidate in enumerate(candidates):
                gate = self._gate(self._names(candidate))
                admitted = self._admit(candidate, judged[n], gate, str(rows[n]["id"]))
                output.append(row_result(rows[n]["id"], admitted, gate))
        return output

    def _admit(self, candidate: Candidate, judged: Judged, gate: Gate, id_: str) -> Judged:
        """Judge novelty last and in order; what is accepted joins the index."""
        if _stopped_at_form(judged):
            return judged
        if NOVELTY not in gate.required:
            return replace(judged, verdict=decide(gate, judged.grades))
        text = self._text_to_be_new(candidate)
        try:
            grades = (*judged.grades, self._novelty(candidate, text))
            verdict = decide(gate, grades)
            if verdict.accepted:
                key = f"{id_} (row {candidate.seq + 1})" if id_ in self._indexed else id_
                self._indexed.add(key)
                self._index.add(key, text, fingerprint(text))
        except IndexUnavailableError as exc:
            grades = (*judged.grades, Grade(NOVELTY, VERSION, None, ungraded=str(exc)))
            verdict = decide(gate, grades)
        return Judged(grades, verdict)

    def _novelty(self, candidate: Candidate, text: str) -> Grade:
        """The worst of three: like an admitted text, like a protected one, or quoting one."""
        fp = fingerprint(text)
        offset = candidate.text.find(text)
        limit, source = self._config.novelty.max_copied_words, candidate.source
        copied = copied_from_source(text, source, limit, offset) if source and limit else None
        grades = [novelty_grade(self._index.nearest(text, fp), text, offset, copied)]
        grades += [novelty_grade(near, text, offset) for near in self._nearest_protected(text)]
        if (whole := candidate.text) != text:
            grades += [novelty_grade(near, whole) for near in self._nearest_protected(whole)]
        return min(grades, key=lambda grade: 1.0 if grade.score is None else grade.score)

    def _nearest_protected(self, text: str) -> list[Neighbour | None]:
        embeds = any(texts.has_vectors for texts in self._protected)
        vector = shared_embedder().embed([text])[0] if embeds else None
        fp = fingerprint(text)
        return [texts.nearest(text, fp, vector) for texts in self._protected]

    def _text_to_be_new(self, candidate: Candidate) -> str:
        recipe = self._recipes.get(candidate.recipe)
        named = candidate.fields.get(recipe.novelty_field) if recipe else None
        return named or candidate.body


def _stopped_at_form(judged: Judged) -> bool:
    return any(failure.grader == FIRST for failure in judged.verdict.failures)


def _with_ungraded(judged: Judged, names: Sequence[str], candidate: Candidate) -> Judged:
    """Add what the candidate could not be asked about, in the order of the names."""
    if _stopped_at_form(judged):
        return judged
    reasons = {name: reason for name in names if (reason := unsupported(candidate, name))}
    grades = judged.grades + tuple(
        Grade(name, "", None, ungraded=reason) for name, reason in reasons.items()
    )
    ordered = sorted(grades, key=lambda grade: names.index(grade.grader))
    return replace(judged, grades=tuple(ordered))
