"""How many claims a second the entailment grader reads, against the bare library call.

Claims of composed essays against sources of about 400 words. Four ways: the grader's own path
(retrieval, layout, int8), int8 alone on rows laid out before, float ONNX, float torch.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from graders.claims import split_claims
from graders.entailment.encoding import Encoding, encode, pad
from graders.entailment.model import SHIPPED, Pair, folder_of, load_encoder
from graders.entailment.premise import SourceIndex
from workers.tiny.corpus.essays import compose_essay
from workers.tiny.corpus.sheets import compose_sheet

WORDS = 400
Texts = list[tuple[str, list[str]]]


def compose_texts(claims: int, seed: int) -> Texts:
    """Sources of about 400 words, each with up to 12 claims drawn from its own essays."""
    rng = random.Random(seed)
    texts: Texts = []
    while sum(len(own) for _, own in texts) < claims:
        source = ""
        while len(source.split()) < WORDS:
            source += compose_essay(compose_sheet(rng, "held_out"), rng)[1] + "\n"
        said = [claim.text for claim in split_claims(source)]
        texts.append((source, rng.sample(said, min(12, len(said)))))
    return texts


def best_rate(work: Callable[[], object], claims: int, runs: int) -> float:
    """Claims a second: the median of `runs`, after one run to warm up."""
    work()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return claims / statistics.median(seconds)


def graded(texts: Texts) -> Callable[[], object]:
    """The grader's path: index, retrieve, lay out, run, both cores busy."""
    encoder = load_encoder(SHIPPED)

    def work() -> None:
        for source, claims in texts:
            index = SourceIndex(source)
            encoder.support([Pair(index.premise(claim).text, claim) for claim in claims])

    return work


def retrieved(texts: Texts) -> Callable[[], object]:
    """Index and retrieval alone."""

    def work() -> None:
        for source, claims in texts:
            index = SourceIndex(source)
            for claim in claims:
                index.premise(claim)

    return work


def lay_out(texts: Texts) -> list[Encoding]:
    """Every claim's row, as the model reads it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder_of(SHIPPED) / "tokenizer.json"))
    rows = []
    for source, claims in texts:
        index = SourceIndex(source)
        rows += [encode(tokenizer, index.premise(claim).text, "", claim) for claim in claims]
    return rows


def bare_onnx(model: Path, rows: Sequence[Encoding], threads: int) -> Callable[[], object]:
    """onnxruntime's `run`, a row at a time, one session thread per core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    batches = [pad([row]) for row in rows]

    def run(batch: Any) -> Any:
        return session.run(None, {"ids": batch.ids, "mask": batch.mask, "types": batch.types})

    def work() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, batches))

    return work


def bare_torch(model: Any, rows: Sequence[Encoding], threads: int) -> Callable[[], object]:
    """torch in float, 16 rows of like length at a time."""
    import torch

    torch.set_num_threads(threads)
    ordered = sorted(rows, key=lambda row: len(row.ids))
    batches = [pad(ordered[i : i + 16]) for i in range(0, len(ordered), 16)]

    def work() -> None:
        with torch.inference_mode():
            for batch in batches:
                model(*(torch.from_numpy(a) for a in (batch.ids, batch.mask, batch.types)))

    return work


def main() -> None:
    """Measures the four ways and writes `results/entailment_speed.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(measure(options), indent=2))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Claims a second of each way, and the grader's share of the bare int8 call."""
    from service.commands.train_grader import packaged_base
    from workers.entailment.export import write_onnx
    from workers.entailment.network import load_base

    texts = compose_texts(options.claims, options.seed)
    rows = lay_out(texts)
    model = load_base(packaged_base()).eval()
    with tempfile.TemporaryDirectory() as folder:
        write_onnx(model, Path(folder) / "float.onnx", quantised_words=False)
        ways = {
            "grader": graded(texts),
            "retrieval alone": retrieved(texts),
            "onnxruntime int8": bare_onnx(folder_of(SHIPPED) / "model.onnx", rows, options.threads),
            "onnxruntime float": bare_onnx(Path(folder) / "float.onnx", rows, options.threads),
            "torch float": bare_torch(model, rows, options.threads),
        }
        rates = {name: best_rate(work, len(rows), options.runs) for name, work in ways.items()}
    report = {
        "environment": describe_environment(),
        "claims": len(rows),
        "mean_source_words": statistics.mean(len(source.split()) for source, _ in texts),
        "mean_row_tokens": statistics.mean(len(row.ids) for row in rows),
        "claims_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "grader_to_bare_int8": round(rates["grader"] / rates["onnxruntime int8"], 3),
    }
    RESULTS.mkdir(exist_ok=True)
    write_result(RESULTS / "entailment_speed.json", report)
    return report


if __name__ == "__main__":
    main()
