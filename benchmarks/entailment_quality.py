"""How well the shipped cross-encoder alone tells supported claims and texts, source by source new.

A text's score is its worst claim's. What the whole grader makes of it: `benchmarks.gate_quality`.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.environment import RESULTS, describe_environment, write_result
from graders.claims import split_sentences
from graders.entailment.model import SHIPPED, MeasuringEncoder, load_encoder
from graders.entailment.support import claims_support
from graders.metrics.discrimination import auroc_if_any
from workers.entailment.labelled import read_rows
from workers.entailment.split import is_held_out

SETS: Final = {
    "ragtruth": "ragtruth.jsonl.gz",
    "summedits": "summedits.jsonl.gz",
    "faithbench": "faithbench.jsonl",
    "wice": "wice.jsonl",
    "bump": "bump.jsonl",
    "fever_symmetric": "fever_symmetric.jsonl",
    "aggrefact": "aggrefact.jsonl",
    "qags": "qags.jsonl",
    "anli": "anli.jsonl",
}
DRAWS: Final = 300


@dataclass(frozen=True, slots=True)
class Scored:
    """One text: task, source, its worst claim's probability, and each claim's with its label."""

    task: str
    source: str
    good: bool
    score: float
    claims: tuple[tuple[float, bool], ...]


def score_rows(encoder: MeasuringEncoder, rows: Sequence[dict[str, Any]]) -> Iterator[Scored]:
    """Each text, read claim by claim with the sentence before it."""
    for row in rows:
        claims = split_sentences(row["text"])
        before = [c.text for c in split_sentences(str(row.get("context") or ""))[-1:]]
        contexts = [*(before or [""]), *(claim.text for claim in claims)]
        found = claims_support(
            encoder, row["source"], [claim.text for claim in claims], contexts[: len(claims)]
        )
        told = [support.probability for support in found]
        good = row["label"] == "consistent"
        marked = [
            not any(s["start"] < c.end and c.start < s["end"] for s in row["spans"]) for c in claims
        ]
        known = tuple(zip(told, marked, strict=True)) if good or row["spans"] else ()
        task = row.get("task", row["dataset"])
        yield Scored(task, row["source"], good, min(told, default=0.5), known)


def summarise(texts: Sequence[Scored], seed: int = 0) -> dict[str, Any]:
    """AUROC of texts with a 95% interval by bootstrap over sources, and of claims."""
    by_source: dict[str, list[Scored]] = {}
    for text in texts:
        by_source.setdefault(text.source, []).append(text)
    groups = list(by_source.values())
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(DRAWS):
        own = [t for i in rng.integers(len(groups), size=len(groups)) for t in groups[i]]
        draws.append(auroc_if_any([t.score for t in own], [t.good for t in own]))
    claims = [pair for text in texts for pair in text.claims]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    one_class = len({good for _, good in claims}) < 2
    return {
        "texts": len(texts),
        "sources": len(groups),
        "wrong": round(1 - float(np.mean([t.good for t in texts])), 3),
        "auroc": round(auroc_if_any([t.score for t in texts], [t.good for t in texts]), 3),
        "auroc_95": [round(float(low), 3), round(float(high), 3)],
        "claims": len(claims),
        "claim_auroc": None if one_class else round(auroc_if_any(*zip(*claims, strict=True)), 3),
    }


def main() -> None:
    """Prints the figures of each set and writes `results/entailment_quality.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of labelled data")
    parser.add_argument("--model", default=SHIPPED, help="the shipped model, or a folder")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    given = parser.parse_args()
    encoder = load_encoder(given.model)
    report: dict[str, Any] = {"environment": describe_environment(), "sets": {}}
    for name in given.sets:
        rows = read_rows(given.data / "consistency" / SETS[name])
        rows = [row for row in rows if is_held_out(name, row["source_id"], row["source"])]
        texts = list(score_rows(encoder, rows))
        found = {name: summarise(texts)}
        tasks = sorted({text.task for text in texts} - {name})
        found |= {f"{name}/{t}": summarise([x for x in texts if x.task == t]) for t in tasks}
        report["sets"] |= found
        for key, value in found.items():
            print(key, json.dumps(value), flush=True)
    RESULTS.mkdir(exist_ok=True)
    write_result(RESULTS / "entailment_quality.json", report)


if __name__ == "__main__":
    main()
