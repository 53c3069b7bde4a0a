"""Reads the labelled sets into claims: one sentence of a response against its source, yes or no.

Only sets whose annotations may be trained on are read, and only sources that are not held out.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

from graders.claims import Claim, split_sentences
from workers.entailment.split import HELD_OUT_SHARE, is_held_out

FILES: Final = {
    "ragtruth": "ragtruth.jsonl.gz",
    "summedits": "summedits.jsonl.gz",
    "wice": "wice.jsonl",
    "wice_spans": "wice_spans.jsonl",
    "bump": "bump.jsonl",
    "fever_symmetric": "fever_symmetric.jsonl",
}
MEASURED_ONLY: Final = ("faithbench.jsonl", "qags.jsonl", "aggrefact.jsonl")
SHINGLE: Final = 8
NEAR_COPY: Final = 0.2
"""From this share of common 8-word shingles on, two texts count as one source."""
_WORD = re.compile(r"\w+|[^\w\s]")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LabelledClaim:
    """A claim, whether its source supports it, and which of its characters are to blame.

    `spans` is None where the blame is not known; a supported claim has none. `group` names the
    response it comes from.
    """

    dataset: str
    source: str
    context: str
    text: str
    supported: bool
    spans: tuple[Span, ...] | None
    group: str


class DataFolderError(Exception):
    """The folder of labelled data lacks a file or holds one that can't be read."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a .jsonl file, or else of its .gz; raises DataFolderError."""
    packed = path if path.suffix == ".gz" or path.exists() else Path(f"{path}.gz")
    found = packed if packed.exists() else path
    opened = gzip.open if found.suffix == ".gz" else open
    try:
        with opened(found, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        raise DataFolderError(
            f"{path} is missing: --data must name the folder of labelled data"
        ) from None
    except (OSError, EOFError, ValueError) as exc:
        raise DataFolderError(f"{path} can't be read: {exc}") from exc


def read_claims(data: Path, held_out: bool = False) -> list[LabelledClaim]:
    """Claims of the sets that training reads, of the sources on one side of the split.

    Of the trained side, near copies of any measured source are left out too.
    """
    kept: list[LabelledClaim] = []
    rows = {name: read_rows(data / "consistency" / file) for name, file in FILES.items()}
    measured = _measured_texts(data, rows)
    copies = _NearCopies(measured)
    for name, own in rows.items():
        side = [r for r in own if is_held_out(name, r["source_id"], r["source"]) is held_out]
        if not held_out:
            near = {s for s in {r["source"] for r in side} if copies.includes(s)}
            side = [r for r in side if r["source"] not in near]
        kept.extend(_claims_of(name, side))
    return kept


def _measured_texts(data: Path, rows: Mapping[str, Sequence[dict[str, Any]]]) -> set[str]:
    texts = {
        row["source"]
        for name, own in rows.items()
        for row in own
        if HELD_OUT_SHARE[name] == 0.5 and is_held_out(name, row["source_id"], row["source"])
    }
    for file in MEASURED_ONLY:
        if (data / "consistency" / file).exists():
            texts |= {row["source"] for row in read_rows(data / "consistency" / file)}
    return texts


class _NearCopies:
    """Finds texts that share many shingles with any of a set of texts."""

    def __init__(self, texts: set[str]) -> None:
        self._known: set[int] = set()
        for text in sorted(texts):
            self._known |= _shingles(text)

    def includes(self, text: str) -> bool:
        own = _shingles(text)
        return len(own & self._known) > NEAR_COPY * len(own)


def _shingles(text: str) -> set[int]:
    words = re.findall(r"\w+", text.casefold())
    return {hash(tuple(words[i : i + SHINGLE])) for i in range(len(words) - SHINGLE + 1)}


def _claims_of(name: str, rows: Sequence[dict[str, Any]]) -> Iterator[LabelledClaim]:
    if name == "summedits":
        yield from _summedits(rows)
        return
    for row in rows:
        if name in ("wice", "wice_spans", "fever_symmetric"):
            yield _single(row)
        elif name == "bump" and row["label"] == "inconsistent":
            changed = changed_spans(row["reference"], row["text"])
            yield from _sentences(row, changed)
        else:
            yield from _sentences(row, [(s["start"], s["end"]) for s in row["spans"]])


def _single(row: dict[str, Any]) -> LabelledClaim:
    """A row that is one claim; its context is the last sentence before it."""
    before = split_sentences(str(row.get("context") or ""))
    supported = row["label"] == "consistent"
    spans = tuple((s["start"], s["end"]) for s in row["spans"])
    return LabelledClaim(
        row["dataset"],
        row["source"],
        before[-1].text if before else "",
        row["text"],
        supported,
        () if supported else spans or None,
        row["id"],
    )


def _sentences(row: dict[str, Any], spans: Sequence[Span]) -> Iterator[LabelledClaim]:
    """Sentences that overlap a span are unsupported, the others are supported."""
    before = ""
    for claim in split_sentences(row["text"]):
        own = tuple(_inside(claim, spans))
        yield LabelledClaim(
            row["dataset"], row["source"], before, claim.text, not own, own, row["id"]
        )
        before = claim.text


def _inside(claim: Claim, spans: Sequence[Span]) -> Iterator[Span]:
    for low, high in spans:
        begin, end = max(low, claim.start), min(high, claim.end)
        if begin < end:
            yield begin - claim.start, end - claim.start


def _summedits(rows: Sequence[dict[str, Any]]) -> Iterator[LabelledClaim]:
    """An edited summary against its nearest consistent one: what changed is what is wrong."""
    good: dict[str, list[str]] = {}
    for row in rows:
        if row["label"] == "consistent":
            good.setdefault(row["source"], []).append(row["text"])
    for row in rows:
        if row["label"] == "consistent":
            yield from _sentences(row, [])
        elif row["source"] in good:
            nearest = max(good[row["source"]], key=lambda text: _likeness(text, row["text"]))
            yield from _sentences(row, changed_spans(nearest, row["text"]))


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, _WORD.findall(one), _WORD.findall(other), False).ratio()


def changed_spans(before: str, after: str) -> list[Span]:
    """Spans of `after` whose words are not in `before` at that place.

    Where words only went missing, the words around the gap stand for it.
    """
    old = _WORD.findall(before)
    new = list(_WORD.finditer(after))
    matcher = SequenceMatcher(None, old, [m[0] for m in new], autojunk=False)
    spans = []
    for kind, _, _, low, high in matcher.get_opcodes():
        if kind == "equal" or not new:
            continue
        if low == high:
            low, high = max(0, low - 1), min(len(new), low + 1)
        spans.append((new[low].start(), new[high - 1].end()))
    return spans
