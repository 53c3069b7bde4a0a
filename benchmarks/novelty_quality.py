"""How well novelty finds near-duplicates, rephrased benchmark items and rewritten texts."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.novelty_texts import Writer, documents, edited
from graders.config import NoveltyConfig
from graders.metrics.discrimination import auroc
from graders.novelty import BandIndex, ProtectedItem, ProtectedTexts, closest, fingerprints
from graders.novelty.embedding import Embedder, Vectors
from graders.novelty.ngrams import containment
from graders.novelty.word_hashes import hash_words
from workers.entailment.labelled import read_rows

LIMIT = 1 - NoveltyConfig().threshold
SWEEP = (0.75, 0.8, 0.85, 0.9)
Floats = NDArray[np.float64]


def near_duplicates(data: Path | None, count: int, seed: int) -> dict[str, Any]:
    """Texts with 5% of their words edited, among as many that nothing was made from."""
    writer = Writer(seed)
    made = writer.texts(2 * count)
    figures = {"synthetic": _planted(made[:count], made[count:], writer, seed)}
    if data is not None:
        real = list(documents(data))
        random.Random(seed).shuffle(real)
        half = len(real) // 2
        figures["documents"] = _planted(real[:half], real[half:], writer, seed)
    return figures


def _planted(
    originals: Sequence[str], fresh: Sequence[str], writer: Writer, seed: int
) -> dict[str, Any]:
    rng = random.Random(seed)
    vocabulary = list(writer.vocabulary[:5000])
    index = BandIndex()
    index.add(fingerprints(originals))
    copies = [edited(rng, text, vocabulary, 0.05) for text in originals]
    found = sum(_is_duplicate(index, originals, copies))
    alarms = sum(_is_duplicate(index, originals, fresh))
    return {
        "texts": len(originals),
        "recall": found / len(copies),
        "precision": found / max(1, found + alarms),
        "false_alarms": alarms / max(1, len(fresh)),
    }


def _is_duplicate(index: BandIndex, originals: Sequence[str], texts: Sequence[str]) -> list[bool]:
    sharing = index.sharing(fingerprints(texts))
    near = (
        closest(text, ((str(n), originals[n]) for n in found))
        for text, found in zip(texts, sharing, strict=True)
    )
    return [each is not None and each.similarity > LIMIT for each in near]


class Embedded:
    """Embeds each text once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 256):
            part = new[start : start + 256]
            self._known.update(zip(part, self._embedder.embed(part), strict=True))
        return np.stack([self._known[text] for text in texts])


def rephrased(data: Path, embed: Embedded, seed: int, most: int) -> dict[str, Any]:
    """Rephrased GSM8K test items against the protected test set; false alarms on training items.

    The default threshold was chosen with such rows in sight. So a threshold is chosen here on
    one half of both (the lowest with at most 1.5% false alarms) and measured on the other, too.
    """
    rows = read_rows(data / "novelty" / "decontaminator.jsonl")
    rephrasings = [r["b"] for r in rows if (r["benchmark"], r["kind"]) == ("gsm8k", "rephrase")]
    items = [r["text"] for r in read_rows(data / "novelty/benchmarks/gsm8k_test.jsonl")]
    training = [r["question"] for r in read_rows(data / "answers" / "gsm8k_train.jsonl")]
    rng = random.Random(seed)
    rng.shuffle(training)
    rng.shuffle(rephrasings)
    training, rephrasings = training[:most], rephrasings[:most]
    against = _best_cosine(embed, items)
    found, alarms = against(rephrasings), against(training)
    half = len(found) // 2, len(alarms) // 2
    chosen = _lowest_threshold(alarms[: half[1]])
    return {
        "items": len(items),
        "rephrased": len(rephrasings),
        "training_items": len(training),
        "by_cosine": [_rates(found, alarms, threshold) for threshold in SWEEP],
        "held_out_half": _rates(found[half[0] :], alarms[half[1] :], chosen),
        "gate": _gate_rates(items, rephrasings, training, embed),
        "gate_without_embeddings": _gate_rates(items, rephrasings, training, None),
    }


def _best_cosine(embed: Embedded, items: Sequence[str]) -> Callable[[Sequence[str]], Floats]:
    protected = embed(items)
    return lambda texts: (embed(texts) @ protected.T).max(axis=1).astype(np.float64)


def _lowest_threshold(alarms: Floats) -> float:
    return next(t / 100 for t in range(60, 100) if (alarms >= t / 100).mean() <= 0.015)


def _rates(found: Floats, alarms: Floats, threshold: float) -> dict[str, float]:
    return {
        "threshold": threshold,
        "recall": float((found >= threshold).mean()),
        "false_alarms": float((alarms >= threshold).mean()),
    }


def _gate_rates(
    items: Sequence[str], positives: Sequence[str], negatives: Sequence[str], embed: Embedded | None
) -> dict[str, float]:
    """What the gate refuses at its defaults."""
    vectors = embed(items) if embed else [None] * len(items)
    protected = ProtectedTexts(
        ProtectedItem(str(n), text, vectors[n]) for n, text in enumerate(items)
    )

    def refused(texts: Sequence[str]) -> float:
        asked = embed(texts) if embed else None
        near = protected.nearest_of(texts, fingerprints(texts), asked)
        return float(np.mean([each is not None and each.similarity > LIMIT for each in near]))

    return {"recall": refused(positives), "false_alarms": refused(negatives)}


def rewrites(data: Path, embed: Embedded) -> dict[str, Any]:
    """Answers that took over an encyclopedia text against answers written without it (Clough)."""
    rows = read_rows(data / "novelty" / "plagiarism.jsonl")
    signals = {name: scores for name, scores in _pair_scores(rows, embed).items()}
    labels = np.array([row["label"] for row in rows])
    unrelated = labels == "distinct"
    return {
        "rows": len(rows),
        "auroc": {
            kind: {
                name: auroc(scores[chosen | unrelated], chosen[chosen | unrelated])
                for name, scores in signals.items()
            }
            for kind, chosen in (("heavy", labels == "rewrite"), ("all copies", ~unrelated))
        },
    }


def pairs(data: Path, embed: Embedded, most: int) -> dict[str, Any]:
    """Share refused at the defaults, by set and label, of texts whose counterpart is protected."""
    figures: dict[str, Any] = {}
    for name in ("decontaminator", "gsm_plus", "mrpc", "pan", "novelty_bench"):
        rows = read_rows(data / "novelty" / f"{name}.jsonl")
        random.Random(0).shuffle(rows)
        rows = rows[:most]
        scores = _pair_scores(rows, embed)["novelty"]
        keys = [" ".join(filter(None, (r.get("benchmark"), r["label"]))) for r in rows]
        figures[name] = {
            key: {
                "rows": keys.count(key),
                "refused": float(
                    np.mean([s > LIMIT for s, k in zip(scores, keys, strict=True) if k == key])
                ),
            }
            for key in sorted(set(keys))
        }
    return figures


def _pair_scores(rows: Sequence[dict[str, Any]], embed: Embedded) -> dict[str, Floats]:
    """How alike the two texts of each row are: by cosine, by words, by the grader."""
    first, second = embed([row["a"] for row in rows]), embed([row["b"] for row in rows])
    cosine = (first * second).sum(axis=1).astype(np.float64)
    words, graded = np.zeros(len(rows)), np.zeros(len(rows))
    for n, row in enumerate(rows):
        text, other = row["b"], row["a"]
        words[n] = containment(hash_words([text]).hashes, hash_words([other]).hashes)
        protected = ProtectedTexts([ProtectedItem("a", other, first[n])])
        (near,) = protected.nearest_of([text], fingerprints([text]), second[n : n + 1])
        graded[n] = near.similarity if near else 0.0
    return {"cosine": cosine, "words shared": words, "novelty": graded}
