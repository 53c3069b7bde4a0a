"""How fast novelty is: in memory, admitted and persisted, embedded; beside the bare libraries."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rensa import RMinHash, RMinHashLSH

from benchmarks.novelty_texts import Writer
from graders.config import NoveltyConfig
from graders.gate import Gate
from graders.novelty import BandIndex, fingerprints
from graders.novelty.embedding import MiniLm
from graders.novelty.fingerprint import BANDS, ROWS, SEED, features_of, keys_of
from graders.novelty.word_hashes import hash_words
from graders.types import Candidate, Grade, Source, Verdict
from workers.store import SqlStore
from workers.types import BatchSpec, Draw, Produced

CHUNK = 512
REPEATS = 5
SOURCE = Source("topic", "anything")
GATE = Gate({"form": 1.0, "novelty": 0.4}, ("form", "novelty"))


def in_memory(count: int, seed: int) -> dict[str, Any]:
    """Sketch, query and insert: ours and the bare library call, interleaved, medians of five."""
    parts = _parts(Writer(seed).texts(count))
    hashed = [hash_words(part) for part in parts]
    features = [features_of(words) for words in hashed]

    def bare() -> None:
        index = RMinHashLSH(threshold=0.6, num_perm=BANDS * ROWS, num_bands=BANDS)
        for n, (values, offsets) in enumerate(features):
            matrix = RMinHash.digest_matrix_from_flat_token_hashes(
                values, offsets, BANDS * ROWS, SEED
            )
            index.insert_matrix_and_query_duplicate_flags(matrix, n * CHUNK)

    def from_words() -> None:
        index = BandIndex()
        for words, part in zip(hashed, parts, strict=True):
            keys = keys_of(words, part)
            index.sharing(keys)
            index.add(keys)

    def from_texts() -> None:
        index = BandIndex()
        for part in parts:
            keys = fingerprints(part)
            index.sharing(keys)
            index.add(keys)

    seconds = _medians({"rensa": bare, "ours": from_words, "ours with tokenising": from_texts})
    rates = {f"{name}, texts/s": count / value for name, value in seconds.items()}
    return {"texts": count, **rates, "ratio to rensa": seconds["rensa"] / seconds["ours"]}


def persisted(count: int, seed: int, folder: Path | None = None) -> dict[str, Any]:
    """Whole admissions of 512 candidates of 200 words: gate, ledger, novelty, commit."""
    items = [produced_of(n % count, text) for n, text in enumerate(Writer(seed).texts(count))]
    chunks = [items[start : start + CHUNK] for start in range(0, count, CHUNK)]
    rates = []
    for _ in range(REPEATS):
        with TemporaryDirectory(dir=folder) as scratch:
            store = SqlStore(f"sqlite:///{scratch}/winnow.db", NoveltyConfig(semantic=False))
            batch_id = store.create_batch(BatchSpec("essay", count, (SOURCE,), "m"))[0].id
            start = time.perf_counter()
            for chunk in chunks:
                store.admit(
                    batch_id, chunk, room=count, gate=GATE, novelty_text=lambda made: made.body
                )
            rates.append(count / (time.perf_counter() - start))
            store.close()
    return {"texts": count, "admitted and persisted, texts/s": float(np.median(rates))}


def embedding(texts: Sequence[str]) -> dict[str, Any]:
    """Texts a second, and the bare ONNX call on the same word pieces."""
    count, model = len(texts), MiniLm()
    batches = list(model.batches(texts))

    def bare() -> None:
        for _, inputs in batches:
            model.session.run(None, inputs)

    seconds = _medians({"bare": bare, "ours": lambda: model.embed(texts)})
    return {
        "texts": count,
        "word pieces a text": sum(i["input_ids"].size for _, i in batches) / count,
        "embedded, texts/s": count / seconds["ours"],
        "bare ONNX Runtime, texts/s": count / seconds["bare"],
        "ratio to ONNX Runtime": seconds["bare"] / seconds["ours"],
    }


def _medians(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, interleaved so that a busy moment hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]


def produced_of(seq: int, text: str) -> Produced:
    """A text that passed everything but novelty."""
    candidate = Candidate("b", seq, "essay", text, text, SOURCE)
    return Produced(Draw(seq, SOURCE, seq), candidate, (Grade("form", "1", 1.0),), Verdict(True))
