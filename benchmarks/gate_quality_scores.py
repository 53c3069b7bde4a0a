"""Has a grader or a baseline score labelled texts, and keeps every score in a file.

A score is 1 for surely right (or new) and 0 for surely wrong; None when the grader can't say.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.labelled_sets import LabelledSet, LabelledText

CHUNK = 32
Score = float | None


class Scorer(Protocol):
    """Scores texts of the sets that it applies to; `version` changes when its scores would."""

    name: str
    threshold: float | None

    @property
    def version(self) -> str: ...

    def applies(self, found: LabelledSet) -> bool: ...

    async def score(self, rows: Sequence[LabelledText]) -> list[Score]: ...


class ScoreFile:
    """Scores as JSON lines, appended as they come; a torn last line is written anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = {key: score for key, score in self._read()}
        path.parent.mkdir(parents=True, exist_ok=True)

    def _read(self) -> Iterator[tuple[tuple[str, str, str, str], Score]]:
        if not self._path.exists():
            return
        with self._path.open() as lines:
            for line in lines:
                try:
                    *key, score = json.loads(line)
                except ValueError:
                    continue
                yield (key[0], key[1], key[2], key[3]), score

    def get(self, scorer: Scorer, found: LabelledSet, row: LabelledText) -> Score:
        """Raises KeyError for a text that this version of the scorer has not scored."""
        return self._known[scorer.name, scorer.version, found.name, row.id]

    def has(self, scorer: Scorer, found: LabelledSet, row: LabelledText) -> bool:
        return (scorer.name, scorer.version, found.name, row.id) in self._known

    def add(
        self,
        scorer: Scorer,
        found: LabelledSet,
        rows: Sequence[LabelledText],
        scores: Sequence[Score],
    ) -> None:
        """Keep and write scores; a score that is not a number in [0, 1] is refused."""
        with self._path.open("a") as file:
            for row, score in zip(rows, scores, strict=True):
                if score is not None and not 0 <= score <= 1:
                    raise ValueError(f"{scorer.name} scored {row.id} {score}: not in [0, 1]")
                key = (scorer.name, scorer.version, found.name, row.id)
                self._known[key] = score
                file.write(json.dumps([*key, score]) + "\n")


async def score_rows(
    scorer: Scorer, found: LabelledSet, rows: Sequence[LabelledText], known: ScoreFile
) -> list[Score]:
    """The scores of all rows, in order; those not known yet are made, with progress on stderr."""
    missing = [row for row in rows if not known.has(scorer, found, row)]
    began = time.perf_counter()
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        known.add(scorer, found, chunk, await scorer.score(chunk))
        seconds = time.perf_counter() - began
        show_progress(f"{found.name} · {scorer.name}", start + len(chunk), len(missing), seconds)
    return [known.get(scorer, found, row) for row in rows]


def show_progress(what: str, done: int, total: int, seconds: float) -> None:
    """One line on stderr, rewritten in place on a terminal; elsewhere only the last one."""
    end = "\n" if done == total else ""
    if end or sys.stderr.isatty():
        line = f"{what}: {done}/{total}, {done / seconds:.0f}/s"
        print(f"\r{line:<70}", end=end, file=sys.stderr, flush=True)
