"""Pooling is learned on texts that are not held out; the model's part on those it never saw."""

import gzip
import json
from pathlib import Path

import pytest
from overlap_encoder import build_overlap_encoder

from graders.entailment.pooling import LogisticPooling, load_pooling
from graders.errors import UngradedError
from workers.entailment.labelled import FILES
from workers.entailment.pooling import learn_pooling, split_rows
from workers.entailment.split import is_dev, is_held_out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FEVER-like pairs about many sources: a claim that its source makes, and one it does not."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "consistency").mkdir()
    rows = []
    for n in range(200):
        source = f"The Danube {n} is a river. It rises in Germany and is {n} km long."
        claims = {"consistent": "It rises in Germany.", "inconsistent": "It rises in fish."}
        for label, text in claims.items():
            row = {"id": f"{n}-{label}", "dataset": "fever_symmetric", "source_id": str(n)}
            rows.append(row | {"source": source, "text": text, "label": label, "spans": []})
    for name, file in FILES.items():
        path = folder / "consistency" / file.removesuffix(".gz")
        lines = [json.dumps(row) + "\n" for row in rows if row["dataset"] == name]
        path.write_text("".join(lines))
        if file.endswith(".gz"):
            (folder / "consistency" / file).write_bytes(gzip.compress(path.read_bytes()))
    return folder


def test_no_held_out_source_is_read_and_those_that_watched_are_kept_apart(data: Path) -> None:
    watching, others = split_rows(data)
    assert watching and others
    assert all(is_dev(row["source"]) for row in watching)
    assert not any(is_dev(row["source"]) for row in others)
    for row in watching + others:
        assert not is_held_out(row["dataset"], row["source_id"], row["source"])


def test_what_was_learned_lies_beside_the_model(data: Path, tmp_path: Path) -> None:
    model = build_overlap_encoder(tmp_path)
    (model / "pooling.json").write_text('{"format": 1}')  # of an earlier version
    pooling = learn_pooling(data, model)
    assert isinstance(pooling, LogisticPooling) and load_pooling(model) == pooling
    assert pooling.weights[0] > 0


def test_a_model_that_reads_nothing_teaches_nothing(data: Path, tmp_path: Path) -> None:
    model = build_overlap_encoder(tmp_path, poison=True)
    with pytest.raises(UngradedError, match="could read none"):
        learn_pooling(data, model)
    assert not (model / "pooling.json").exists()
