"""Reads the folder of labelled data: every set in one shape, with sources never trained on marked.

A set's rows keep their order; a source is known by its text, since sets number sources differently.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from graders.claims import split_claims
from graders.types import Candidate, Source
from workers.entailment.labelled import DataFolderError, read_rows
from workers.entailment.split import HELD_OUT_SHARE, is_held_out, source_key

Kind = Literal["consistency", "answers", "novelty"]
Objective = Literal["f1", "balanced_accuracy"]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One file of the folder; `objective` is what a threshold is chosen for."""

    name: str
    kind: Kind
    objective: Objective = "balanced_accuracy"
    by: str | None = "task"
    """The field that splits the set into tasks; None: it has none."""
    sentences_of: str | None = None
    """The set whose texts are judged here sentence by sentence, by the spans marked in them."""


SETS: tuple[LabelledSet, ...] = (
    LabelledSet("ragtruth", "consistency", "f1"),
    LabelledSet("ragtruth_sentences", "consistency", sentences_of="ragtruth"),
    LabelledSet("faithbench", "consistency", by=None),
    LabelledSet("faithbench_sentences", "consistency", by=None, sentences_of="faithbench"),
    LabelledSet("summedits", "consistency"),
    LabelledSet("wice", "consistency", by=None),
    LabelledSet("qags", "consistency"),
    LabelledSet("bump", "consistency"),
    LabelledSet("anli", "consistency"),
    LabelledSet("fever_symmetric", "consistency", by=None),
    LabelledSet("aggrefact", "consistency"),
    LabelledSet("open_models", "consistency"),
    LabelledSet("gsm8k_solutions", "answers", by=None),
    LabelledSet("gsm8k_models", "answers", by="model"),
    LabelledSet("math_samples", "answers", by=None),
    LabelledSet("zero_shot_cot", "answers"),
    LabelledSet("equivalence", "answers", by=None),
    LabelledSet("decontaminator", "novelty", by="benchmark"),
    LabelledSet("plagiarism", "novelty", by=None),
    LabelledSet("mrpc", "novelty", by=None),
    LabelledSet("pan", "novelty", by=None),
    LabelledSet("novelty_bench", "novelty", by="kind"),
)
LEFT_OUT: Mapping[str, str] = {
    "wice_spans": "one class only",
    "mr_gsm8k": "one class but for nine rows; its steps are measured by benchmarks/answers.py",
    "gsm8k_train": "not labelled",
    "gsm_plus": "all of its texts derive from the original; measured by benchmarks/novelty.py",
}
"""Sets of the folder that are not measured here, and why."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text with what is known about it.

    Of a sentence, the candidate's `body` is the sentence and its `text` the whole. `cluster` names
    the source (or question, or original) that rows share; `dataset` the set that its text is from.
    `other` is the text that a novelty pair is compared with; `spans` are the unsupported places
    marked in the text.
    """

    id: str
    dataset: str
    task: str
    cluster: str
    right: bool
    candidate: Candidate
    other: str | None = None
    model: str = ""
    spans: tuple[tuple[int, int], ...] = ()


def read_set(data: Path, found: LabelledSet) -> list[LabelledText]:
    """Every labelled text of a set. Raises DataFolderError if it isn't there or is damaged."""
    path = data / found.kind / f"{found.sentences_of or found.name}.jsonl"
    read = {"consistency": _consistency, "answers": _answer, "novelty": _pair}[found.kind]
    try:
        texts = [read(row, found) for row in read_rows(path)]
    except KeyError as exc:
        raise DataFolderError(f"{path}: a row lacks the field {exc}") from exc
    return [part for text in texts for part in _sentences(text)] if found.sentences_of else texts


def _consistency(row: Mapping[str, Any], found: LabelledSet) -> LabelledText:
    cluster = source_key(row["source"])[:16]
    return LabelledText(
        id=row["id"],
        dataset=found.sentences_of or found.name,
        task=_task(row, found),
        cluster=cluster,
        right=row["label"] == "consistent",
        candidate=_candidate(row["text"], source=Source(row["source_id"], row["source"])),
        model=row.get("model") or "",
        spans=tuple((span["start"], span["end"]) for span in row["spans"]),
    )


def _sentences(text: LabelledText) -> Iterator[LabelledText]:
    """Each statement of a text; it is wrong when it overlaps a marked span.

    None of a wrong text without spans: which of its sentences are wrong is not known.
    """
    if not text.right and not text.spans:
        return
    for claim in split_claims(text.candidate.text):
        wrong = any(start < claim.end and end > claim.start for start, end in text.spans)
        candidate = replace(text.candidate, body=claim.text)
        yield replace(text, id=f"{text.id}@{claim.start}", right=not wrong, candidate=candidate)


def _answer(row: Mapping[str, Any], found: LabelledSet) -> LabelledText:
    """`equivalence` holds bare answers, the other sets whole solutions."""
    bare = "equal" in row
    question = None if bare else row["question"]
    return LabelledText(
        id=row["id"],
        dataset=found.name,
        task=_task(row, found),
        cluster=_digest(row["gold"] if bare else row["question"]),
        right=bool(row["equal" if bare else "correct"]),
        candidate=_candidate(
            row["answer" if bare else "response"], question=question, gold=str(row["gold"])
        ),
        model=row.get("model") or "",
    )


def _pair(row: Mapping[str, Any], found: LabelledSet) -> LabelledText:
    """A text is right when it is new: not a copy, a paraphrase or a rewrite of the original."""
    return LabelledText(
        id=row["id"],
        dataset=found.name,
        task=_task(row, found),
        cluster=_digest(row["a"]),
        right=row["label"] == "distinct",
        candidate=_candidate(row["b"]),
        other=row["a"],
    )


def _candidate(text: str, **given: Any) -> Candidate:
    return Candidate(batch_id="bench", seq=0, recipe="", text=text, body=text, **given)


def _task(row: Mapping[str, Any], found: LabelledSet) -> str:
    return str(row[found.by]) if found.by else ""


def _digest(text: str) -> str:
    return sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def never_trained_on(
    rows: Sequence[LabelledText], trained: frozenset[str] = frozenset()
) -> list[LabelledText]:
    """The rows whose source the shipped entailment model never saw, in this set or another."""
    return [row for row in rows if not was_trained_on(row) and row.cluster not in trained]


def was_trained_on(row: LabelledText) -> bool:
    """Whether training read this row's source as part of this row's set."""
    source = row.candidate.source
    return source is not None and not is_held_out(row.dataset, source.id, source.text)


def trained_clusters(data: Path) -> frozenset[str]:
    """The sources of every set that training reads, but for those held out there."""
    sets = [LabelledSet(name, "consistency", by=None) for name in HELD_OUT_SHARE]
    rows = (row for found in sets for row in read_set(data, found))
    return frozenset(row.cluster for row in rows if was_trained_on(row))


def take(rows: Sequence[LabelledText], limit: int | None) -> list[LabelledText]:
    """About `limit` rows: whole sources, in the order of their hashed names."""
    if limit is None or len(rows) <= limit:
        return list(rows)
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row.cluster] = sizes.get(row.cluster, 0) + 1
    kept = set(_until(sorted(sizes, key=_digest), sizes, limit))
    return [row for row in rows if row.cluster in kept]


def _until(clusters: Iterable[str], sizes: Mapping[str, int], limit: int) -> Iterator[str]:
    taken = 0
    for cluster in clusters:
        if taken >= limit:
            return
        taken += sizes[cluster]
        yield cluster
