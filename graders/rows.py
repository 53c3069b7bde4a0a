"""The rows of `grade`: what may stand in one, and what comes back for it.

A row is `{"id", "text", "source"?, "question"?, "gold"?, "recipe"?, "metadata"?}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

from graders.errors import GraderConfigError
from graders.gate import Gate, passed
from graders.panel import Judged
from graders.registry import NOVELTY
from graders.types import Candidate, Source

FIELDS = ("id", "text", "source", "question", "gold", "recipe", "metadata")


class ParsedText(Protocol):
    """What a recipe's parser finds; workers.recipes.base.Parsed is one."""

    @property
    def fields(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> str: ...
    @property
    def question(self) -> str | None: ...
    @property
    def answer(self) -> str | None: ...


Parse = Callable[[str], ParsedText]
"""Reads a text of a recipe's shape; raises ValueError when it is malformed."""


class RowRecipe(Protocol):
    """What of a recipe is needed to grade its texts; workers.recipes.base.Recipe is one."""

    @property
    def parse(self) -> Parse: ...
    @property
    def graders(self) -> tuple[str, ...]: ...
    @property
    def novelty_field(self) -> str: ...


def candidate_from_row(row: Mapping[str, Any], index: int, parse: Parse | None = None) -> Candidate:
    """Read one row; `index` counts from 0, messages count rows from 1.

    Raises GraderConfigError, naming the row and the field that is missing, unknown or no text.
    """
    if not isinstance(row, Mapping):
        raise GraderConfigError(f"row {index + 1}: not an object but {type(row).__name__}")
    unknown = [str(field) for field in row if field not in FIELDS]
    if unknown:
        raise GraderConfigError(
            f"row {index + 1}: unknown field {unknown[0]!r}; there are: {', '.join(FIELDS)}"
        )
    if not isinstance(row.get("id"), str | int) or isinstance(row["id"], bool):
        raise GraderConfigError(f"row {index + 1}: field 'id' must be a string or a whole number")
    text = row.get("text")
    if not isinstance(text, str):
        raise GraderConfigError(f"row {index + 1}: field 'text' must be a string")
    candidate = Candidate(
        batch_id="grade",
        seq=index,
        recipe=_text(row, "recipe", index) or "",
        text=text,
        body=text,
        source=_source(row, index),
        question=_text(row, "question", index),
        gold=_gold(row, index),
    )
    return _parsed(candidate, parse) if parse else candidate


def graders_for(candidate: Candidate, recipe: RowRecipe | None = None) -> tuple[str, ...]:
    """The graders that a row can support, when none are named.

    `consistency` where there is a source; `answers` where there is a gold answer, or a question
    and no source. A recipe's graders go before this, but for a gold answer, which is always held
    against.
    """
    alone = ("answers",) if candidate.source is None else ()
    asked = recipe.graders if recipe else ("consistency", *alone)
    names = ["form"]
    if candidate.source is not None and "consistency" in asked:
        names.append("consistency")
    if candidate.gold is not None or (candidate.question is not None and "answers" in asked):
        names.append("answers")
    return (*names, NOVELTY)


def row_result(id: str | int, judged: Judged, gate: Gate) -> dict[str, Any]:
    """The output row. `score` and `passed` are null for a grader that gave no opinion."""
    return {
        "id": id,
        "verdict": "accepted" if judged.verdict.accepted else "rejected",
        "grades": [
            {
                "grader": grade.grader,
                "version": grade.version,
                "score": grade.score,
                "passed": passed(gate, grade),
                "evidence": [asdict(evidence) for evidence in grade.evidence],
            }
            for grade in judged.grades
        ],
        "reasons": [f"{failure.grader}: {failure.reason}" for failure in judged.verdict.failures],
    }


def unsupported(candidate: Candidate, grader: str) -> str | None:
    """Why this grader can form no opinion on this candidate, or None when it can."""
    if grader == "consistency" and candidate.source is None:
        return "there is no source to hold the text against"
    if grader == "judge" and candidate.source is None:
        return "there is no source for the judge to hold the text against"
    if grader == "agreement" and not (candidate.question or candidate.prompt):
        return "there is no question to ask again"
    if grader == "answers" and candidate.question is None and candidate.gold is None:
        return "there is neither a question nor a gold answer"
    return None


def _parsed(candidate: Candidate, parse: Parse) -> Candidate:
    """The candidate with what the parser found; the row's own question goes before the text's."""
    try:
        parsed = parse(candidate.text)
    except ValueError as exc:
        return replace(candidate, malformed=str(exc))
    return replace(
        candidate,
        body=parsed.body,
        question=candidate.question or parsed.question,
        answer=parsed.answer,
        fields=dict(parsed.fields),
    )


def _text(row: Mapping[str, Any], field: str, index: int) -> str | None:
    value = row.get(field)
    if value is None or isinstance(value, str):
        return value
    raise GraderConfigError(
        f"row {index + 1}: field {field!r} must be a string, not {type(value).__name__}"
    )


def _source(row: Mapping[str, Any], index: int) -> Source | None:
    """An empty source is no source: nothing could be held against it."""
    text = _text(row, "source", index)
    return Source(f"row-{index + 1}", text) if text and text.strip() else None


def _gold(row: Mapping[str, Any], index: int) -> str | None:
    value = row.get("gold")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = _text(row, "gold", index)
    return text if text and text.strip() else None
