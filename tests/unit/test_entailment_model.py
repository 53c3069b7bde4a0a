"""The entailment model is read, run and refused as its documentation says."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from overlap_encoder import build_overlap_encoder

from graders.entailment.model import (
    SHIPPED,
    OnnxCrossEncoder,
    Pair,
    load_encoder,
    read_logits,
)
from graders.entailment.segments import count_pieces
from graders.entailment.support import claim_support, claims_support
from graders.errors import GraderConfigError, UngradedError

SOURCE = "The Danube is a river. It rises in Germany and is 2850 km long."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_overlap_encoder(tmp_path_factory.mktemp("overlap"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> OnnxCrossEncoder:
    return OnnxCrossEncoder(folder, threads=2)


def test_a_claim_whose_words_the_premise_has_is_supported(encoder: OnnxCrossEncoder) -> None:
    good, bad = encoder.support(
        [Pair(SOURCE, "The river rises in Germany."), Pair(SOURCE, "The river rises in France.")]
    )
    assert good.probability > 0.9 > 0.1 > bad.probability


def test_words_are_told_by_their_place_in_the_claim_not_in_its_context(
    encoder: OnnxCrossEncoder,
) -> None:
    claim = "It rises in France."
    [support] = encoder.support([Pair(SOURCE, claim, "The Danube is long.")])
    doubted = [claim[t.start : t.end] for t in support.tokens or () if t.probability < 0.5]
    assert doubted == ["France"]


def test_a_score_does_not_depend_on_what_is_scored_beside_it(encoder: OnnxCrossEncoder) -> None:
    pairs = [Pair(SOURCE, "It is long."), Pair(SOURCE, "It crosses Austria and Romania into sea.")]
    assert encoder.support(pairs) == [encoder.support([pair])[0] for pair in pairs]


def test_a_model_without_a_second_output_says_nothing_of_words(tmp_path: Path) -> None:
    encoder = OnnxCrossEncoder(build_overlap_encoder(tmp_path, words=False))
    assert encoder.support([Pair(SOURCE, "It is long.")])[0].tokens is None


def test_a_score_that_is_no_number_is_no_opinion(tmp_path: Path) -> None:
    encoder = OnnxCrossEncoder(build_overlap_encoder(tmp_path, poison=True))
    with pytest.raises(UngradedError, match="no finite score"):
        encoder.support([Pair(SOURCE, "It is long.")])


def test_a_model_is_loaded_once_also_when_several_threads_ask(folder: Path) -> None:
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_encoder(str(folder)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(map(id, found))) == 1


def test_an_empty_list_of_pairs_gives_an_empty_list(encoder: OnnxCrossEncoder) -> None:
    assert encoder.support([]) == []


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "lacks tokenizer.json"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer.json is damaged"),
        (lambda f: (f / "model.onnx").write_bytes(b"onnx?"), "model.onnx is damaged"),
        (lambda f: (f / "config.json").write_text("{"), "config.json is damaged"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json is damaged"),
        (lambda f: edit(f / "config.json", format=7), "has format 7, this version reads 1"),
        (lambda f: edit(f / "config.json", labels=["no", "yes"]), "lack 'supported'"),
    ],
)
def test_a_damaged_folder_is_refused_with_what_to_do(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = build_overlap_encoder(tmp_path)
    damage(folder)
    with pytest.raises(GraderConfigError, match=message) as caught:
        load_encoder(str(folder))
    assert "winnow train-grader" in str(caught.value)


def test_a_model_that_does_not_exist_is_refused_with_what_to_name_instead(tmp_path: Path) -> None:
    with pytest.raises(GraderConfigError, match="winnow-entailment"):
        load_encoder(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("logits", "supported", "probability"),
    [([0.0], 0, 0.5), ([3.0, 3.0], 1, 0.5), ([0.0, 800.0], 1, 1.0), ([-800.0], 0, 0.0)],
)
def test_one_logit_goes_through_a_sigmoid_and_several_through_a_softmax(
    logits: list[float], supported: int, probability: float
) -> None:
    assert read_logits(logits, supported) == pytest.approx(probability)


def test_one_finished_sentence_can_be_judged_while_the_rest_is_written(
    encoder: OnnxCrossEncoder,
) -> None:
    claims = ["The Danube is a river.", "It rises in France."]
    at_once = claims_support(encoder, SOURCE, claims, ["", claims[0]])
    assert claim_support(encoder, SOURCE, claims[1], claims[0]) == at_once[1]


def test_the_end_of_a_claim_too_long_to_read_at_once_is_read_too(
    encoder: OnnxCrossEncoder,
) -> None:
    claim = "The Danube is a river and a river and long, " * 20 + "in France."
    support = claim_support(encoder, SOURCE + " The river, a river and long, is in it.", claim)
    doubted = [t for t in support.tokens or () if t.probability < 0.5]
    assert support.probability < 0.5
    assert "France" in [claim[t.start : t.end] for t in doubted]


RARE = (
    "Wrzeszcz Szczebrzeszyn Xochiquetzalli Qoyllur Rit'i Przemyśl Llanfairpwll Tchaikovskaya "
    "Nebuchadrezzar Ouagadougou Zhytomyrska Yekaterinburgskaya Thiruvananthapuram Szentendre "
    "Huitzilopochtli Quetzalcoatlus"
).split()


def test_the_end_of_a_claim_of_rare_names_is_read() -> None:
    shipped = load_encoder(SHIPPED)
    near = " ".join(f"{name} is its neighbour." for name in RARE)
    source = f"The village of Orr lies in Norway and is at peace. {near}"
    claim = f"The village of Orr, whose neighbours are {', '.join(RARE)}, lies in "
    assert len(shipped.pieces(claim)) > 96 > count_pieces(claim)
    false = claim_support(shipped, source, claim + "Brazil, where a war has killed everybody.")
    true = claim_support(shipped, source, claim + "Norway and is at peace.")
    assert false.probability < 0.3 < true.probability


def test_the_parts_of_a_claim_are_all_of_it(encoder: OnnxCrossEncoder) -> None:
    claim = "the danube is a river and " * 40 + "long."
    support = claim_support(encoder, SOURCE, claim)
    assert [claim[t.start : t.end] for t in support.tokens or ()][-2:] == ["long", "."]
    assert len(support.tokens or ()) == len(encoder.pieces(claim))


@pytest.mark.parametrize(
    ("source", "claim", "reason"),
    [
        (SOURCE, "It is " + "poison" * 40, "a word of over 99 characters"),
        ("漢字" * 1500, "It is 漢字.", "word-pieces more than"),
    ],
)
def test_what_can_t_be_read_whole_is_no_opinion(source: str, claim: str, reason: str) -> None:
    with pytest.raises(UngradedError, match=reason):
        claim_support(load_encoder(SHIPPED), source, claim)


def test_a_claim_handed_over_whole_that_does_not_fit_is_no_opinion() -> None:
    with pytest.raises(UngradedError, match="beyond what it reads"):
        load_encoder(SHIPPED).support([Pair(SOURCE, "It is long and wide. " * 40)])


def test_a_source_beyond_all_bounds_is_no_opinion(encoder: OnnxCrossEncoder) -> None:
    with pytest.raises(UngradedError, match="split it"):
        claim_support(encoder, "It is long. " * 30_000, "It is long.")
