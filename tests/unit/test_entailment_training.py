"""Training the entailment grader, at toy size: labels, corruptions, split, training, export."""

import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from graders.entailment.encoding import encode, pad
from service.cli import app
from tests.unit.entailment_toys import toy_tokenizer, write_base, write_data
from workers.entailment.corruption import Surroundings, corrupt
from workers.entailment.export import export
from workers.entailment.labelled import (
    DataFolderError,
    LabelledClaim,
    changed_spans,
    read_claims,
    read_rows,
)
from workers.entailment.measure import measure
from workers.entailment.network import load_base
from workers.entailment.places import place_claims
from workers.entailment.schedule import REPEATS, Mix, batches, compose, lay_out
from workers.entailment.split import is_dev, is_held_out, source_key
from workers.entailment.synthetic import (
    document_claims,
    read_documents,
    retell,
    sheet_claims,
    untold,
)
from workers.entailment.train import STATE_FILE, TrainConfig, train, train_rounds

MIX = Mix(documents=6, sheets=2, responses=4, places=4, labelled=0.1)
TOY = TrainConfig(MIX, batch_tokens=512, lr=1e-3, log_every=4, save_every=4, watch_every=100)
SENTENCE = "In May 1884, Ida Crane was hired by Arden Mills for more than 12 years."
AROUND = Surroundings(
    "Ida Crane met Jo Hull in 1884. 12 men came.", "Ann Reed sang, and left town."
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("toys") / "data")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


def ignore(entry: dict[str, Any]) -> None:
    """Hears the training's reports and says nothing."""


def test_no_claim_of_a_held_out_source_is_trained_on(data: Path) -> None:
    trained = {source_key(c.source) for c in read_claims(data)}
    held_out = {source_key(c.source) for c in read_claims(data, held_out=True)}
    assert trained and held_out
    assert not trained & held_out


def test_sets_that_are_measured_only_are_held_out_whole() -> None:
    assert all(is_held_out(name, "1", "any text") for name in ("faithbench", "anli", "qags"))


def test_claims_are_made_of_no_document_that_is_held_out_or_watches_training(
    tmp_path: Path,
) -> None:
    folder = write_data(tmp_path / "data")
    texts = [f"Document {n} tells of mill {n}." for n in range(200)]
    rows = [{"id": f"summedits-{n}", "text": text} for n, text in enumerate(texts)]
    path = folder / "sources" / "summedits_docs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    taken = set(read_documents(folder)) & set(texts)
    free = {text for text in texts if not is_held_out("summedits", "", text) and not is_dev(text)}
    assert taken == free
    assert 0 < len(free) < sum(not is_held_out("summedits", "", text) for text in texts)


@given(st.text(alphabet="ab cd", max_size=80))
def test_copies_that_differ_in_spacing_and_case_fall_on_one_side(text: str) -> None:
    copy = "  " + text.upper().replace(" ", "\n")
    assert is_held_out("ragtruth", "1", text) == is_held_out("ragtruth", "2", copy)
    assert is_held_out("ragtruth", "1", text) == is_held_out("open_models", "1", text)


def test_a_near_copy_of_a_measured_source_is_not_trained_on(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "data")
    sources = {c.source for c in read_claims(folder)}
    copied = max(sources, key=len)
    rows = [{"source": f"{copied} And one line more."}]
    (folder / "consistency" / "faithbench.jsonl").write_text(json.dumps(rows[0]) + "\n")
    assert copied not in {c.source for c in read_claims(folder)}


def test_a_sentence_that_overlaps_a_span_is_unsupported_and_says_where(data: Path) -> None:
    wrong = [c for c in read_claims(data) if c.dataset == "ragtruth" and not c.supported]
    assert wrong
    for claim in wrong:
        assert claim.spans is not None
        assert [claim.text[low:high] for low, high in claim.spans] == ["Lake"]
        assert claim.context == "The mill was built by Ida Crane."


def test_an_edit_is_found_by_comparing_with_the_text_before_it() -> None:
    after = "The mill was sold in 1885 ."
    spans = changed_spans("The mill was built in 1884 .", after)
    assert [after[low:high] for low, high in spans] == ["sold", "1885"]


def test_a_deletion_blames_the_words_around_the_gap() -> None:
    after = "The mill was built ."
    spans = changed_spans("The mill was not built .", after)
    assert [after[low:high] for low, high in spans] == ["was built"]


@pytest.mark.parametrize("seed", range(30))
def test_a_corruption_changes_the_sentence_where_it_says(seed: int) -> None:
    wrong = corrupt(SENTENCE, AROUND, random.Random(seed))
    assert wrong is not None and wrong.text != SENTENCE
    assert 0 <= wrong.start < wrong.end <= len(wrong.text)


def test_every_kind_of_corruption_occurs() -> None:
    found = [corrupt(SENTENCE, AROUND, random.Random(seed)) for seed in range(200)]
    kinds = {wrong.kind for wrong in found if wrong is not None}
    assert kinds == {"number", "name", "date", "negation", "relation", "addition"}


@given(st.text(max_size=120), st.text(max_size=120), st.integers(0, 50))
def test_any_text_can_be_offered_for_corruption_and_retelling(a: str, b: str, seed: int) -> None:
    rng = random.Random(seed)
    wrong = corrupt(a, Surroundings(b, a), rng)
    assert wrong is None or wrong.text != a
    retell(a, rng)


def test_a_claim_whose_words_the_source_holds_is_not_called_untold() -> None:
    assert not list(untold("made", SENTENCE, "", SENTENCE))
    assert [c.supported for c in untold("made", "The sea.", "", SENTENCE)] == [False]


def test_made_claims_are_balanced_and_repeat_from_a_seed() -> None:
    documents = [" ".join(f"{SENTENCE[:-1]} at {i}{j}." for j in range(6)) for i in range(3)]
    claims = list(islice(document_claims(documents, random.Random(1)), 200))
    assert claims == list(islice(document_claims(documents, random.Random(1)), 200))
    assert 60 < sum(c.supported for c in claims) < 140
    sheets = list(islice(sheet_claims(random.Random(1)), 40))
    assert {c.supported for c in sheets} == {True, False}


def test_what_is_said_of_a_place_is_blamed_where_its_record_denies_it_or_is_silent() -> None:
    claims = list(islice(place_claims(random.Random(2)), 300))
    assert 90 < sum(c.supported for c in claims) < 210
    for claim in claims:
        record = json.loads(claim.source)
        parking = record["attributes"]["BusinessParking"]
        if "valet" in claim.text and "offers" in claim.text and len(claim.spans or ()) == 0:
            assert parking["valet"] is True


def test_a_row_blames_the_tokens_of_its_spans() -> None:
    claim = LabelledClaim("made", "The mill.", "", "the red mill", False, ((4, 7),), "g")
    assert lay_out(claim, toy_tokenizer()).blame.tolist() == [0.0, 1.0, 0.0]
    unknown = LabelledClaim("made", "The mill.", "", "the red mill", False, None, "g")
    assert set(lay_out(unknown, toy_tokenizer()).blame.tolist()) == {-1.0}


def test_batches_hold_every_row_once_within_their_size(data: Path) -> None:
    rows, watch = compose(data, toy_tokenizer(), 0, Mix(0, 0, 0, 0, 0.1))
    plan = batches(rows, 600, 0)
    assert sorted(id(row) for batch in plan for row in batch) == sorted(map(id, rows))
    sizes = [len(batch) * max(len(row.encoding.ids) for row in batch) for batch in plan]
    assert all(size <= 600 or len(batch) == 1 for size, batch in zip(sizes, plan, strict=True))
    assert {row.dataset for row in watch} <= set(REPEATS)


def test_training_stops_and_resumes_with_the_same_result(
    data: Path, base: Path, tmp_path: Path
) -> None:
    straight = train(TOY, data, base, tmp_path / "a", ignore)

    def pull_the_plug(entry: dict[str, Any]) -> None:
        if entry["step"] == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TOY, data, base, tmp_path / "b", pull_the_plug)
    assert torch.load(tmp_path / "b" / STATE_FILE)["step"] == 4
    resumed = train(TOY, data, base, tmp_path / "b", ignore)
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_folder_with_another_run_is_not_overwritten(
    data: Path, base: Path, tmp_path: Path
) -> None:
    small = Mix(0, 0, 0, 2, 0.0)
    train(TrainConfig(small), data, base, tmp_path, ignore)
    with pytest.raises(ValueError, match="other settings"):
        train(TrainConfig(small, seed=1), data, base, tmp_path, ignore)


def test_a_round_starts_from_the_one_before(data: Path, base: Path, tmp_path: Path) -> None:
    rounds = [TrainConfig(Mix(0, 0, 0, 2, 0.0), seed, lr=0.0, head_lr=0.0) for seed in (0, 1)]
    model = train_rounds(rounds, data, base, tmp_path, ignore)
    first = torch.load(tmp_path / "round-1" / STATE_FILE)["model"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, first[name])


def test_the_exported_network_answers_like_the_trained_one(base: Path, tmp_path: Path) -> None:
    import onnxruntime

    model = load_base(base).eval()
    export(model, base, tmp_path, {"version": "toy"})
    rows = [
        encode(toy_tokenizer(), "the mill stands in arden", "", text) for text in ("it", "a mill")
    ]
    batch = pad(rows)
    given = {"ids": batch.ids, "mask": batch.mask, "types": batch.types}
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    claim, tokens = session.run(None, given)
    with torch.inference_mode():
        wanted, words = model(*(torch.from_numpy(given[k]) for k in ("ids", "mask", "types")))
    assert np.allclose(claim, wanted, atol=0.1)
    known = batch.mask > 0
    assert np.allclose(tokens[known], words.numpy()[known], atol=0.1)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["labels"] == ["supported"] and config["version"] == "toy"


def test_measuring_names_each_set_it_has_both_labels_of(data: Path, base: Path) -> None:
    _, watch = compose(data, toy_tokenizer(), 0, Mix(0, 0, 0, 0, 0.1))
    found = measure(load_base(base), watch)
    assert found and all(0 <= value <= 1 for value in found.values())


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["train-grader", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1
    assert "ragtruth.jsonl.gz is missing: --data must name" in done.stderr


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{broken\n")
    with pytest.raises(DataFolderError, match=r"rows\.jsonl can't be read"):
        read_rows(tmp_path / "rows.jsonl")
