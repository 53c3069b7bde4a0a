"""Learns how the probabilities of claims make that of a text.

What needs no model (numbers, names, words foreign to the source) is learned on all texts that are
not held out. The model's own part is learned on those that watch training, since of the others it
is too sure, and starts from the first.

Run: python -m workers.entailment.pooling --data DIR --model FOLDER
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from graders.config import ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.entailment.model import load_encoder
from graders.entailment.pooling import (
    FEATURES,
    WITHOUT_MODEL,
    LogisticPooling,
    PoolingRow,
    fit_pooling,
    save_pooling,
)
from graders.errors import UngradedError
from graders.types import Candidate, Source
from workers.entailment.labelled import FILES, read_claims, read_rows
from workers.entailment.split import is_dev

PENALTY: Final = 256.0
PRIOR_PENALTY: Final = 64.0
"""Of 16 to 256, and of 16 to 1,024, the best on average over the sets, in ten folds by source of
the texts that watch training."""
ONE_SIDED: Final = "wice_spans"
"""Holds unsupported claims only."""


def learn_pooling(data: Path, model: Path) -> LogisticPooling:
    """Fit pooling for the exported model in a folder and write `pooling.json` there.

    Reads texts of sources that are not held out. Raises DataFolderError for the data,
    GraderConfigError or UngradedError for the model, ValueError for texts of one class.
    """
    watching, others = split_rows(data)
    prior = None
    if others:
        prior = fit_pooling(
            asyncio.run(_pooling_rows(model, others)), PRIOR_PENALTY, only=WITHOUT_MODEL
        )
    pooling = fit_pooling(asyncio.run(_pooling_rows(model, watching)), PENALTY, prior=prior)
    save_pooling(pooling, model)
    return pooling


def split_rows(data: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Labelled texts that are not held out, near copies of measured ones left out: those whose
    sources watch training, and those that were trained on."""
    watches = {claim.group: is_dev(claim.source) for claim in read_claims(data)}
    rows = [
        row
        for name, file in FILES.items()
        if name != ONE_SIDED
        for row in read_rows(data / "consistency" / file)
        if row["id"] in watches
    ]
    watching = [row for row in rows if watches[row["id"]]]
    return watching, [row for row in rows if not watches[row["id"]]]


async def _pooling_rows(model: Path, rows: Sequence[dict[str, Any]]) -> list[PoolingRow]:
    """Features of each text that can be read.

    Within a set, supported and unsupported texts count alike: how often the next generator errs
    is not known here.
    """
    config = ConsistencyConfig(model=str(model), entail_labelled=True)
    encoder = load_encoder(str(model), config.threads, config.support_label)
    grader = ConsistencyGrader(config, encoder=encoder)
    candidates = [
        Candidate("pooling", n, "row", row["text"], row["text"], Source(row["id"], row["source"]))
        for n, row in enumerate(rows)
    ]
    known = [
        (row["dataset"], row["label"] == "consistent", features)
        for row, features in zip(rows, await grader.features(candidates), strict=True)
        if features is not None
    ]
    if not known:
        raise UngradedError(f"the model in {model} could read none of {len(rows)} texts")
    counts = Counter((dataset, supported) for dataset, supported, _ in known)
    sizes = Counter(dataset for dataset, _, _ in known)
    return [
        PoolingRow(features, supported, sizes[dataset] / (2 * counts[dataset, supported]))
        for dataset, supported, features in known
    ]


def main() -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of labelled data")
    parser.add_argument("--model", type=Path, required=True, help="the exported model's folder")
    given = parser.parse_args()
    pooling = learn_pooling(given.data, given.model)
    for name, weight in zip(FEATURES, pooling.weights, strict=True):
        print(f"{name:24} {weight:+.3f}")
    print(f"{'bias':24} {pooling.bias:+.3f}")


if __name__ == "__main__":
    main()
