"""Models from the hub or a folder serve as the cross-encoder, or are refused with a reason.

All are built here from a configuration, with random weights.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from overlap_encoder import build_overlap_encoder

from graders.entailment.hub import HubCrossEncoder, find_support_label
from graders.entailment.model import Pair, load_encoder
from graders.errors import GraderConfigError, UngradedError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SOURCE = "The Danube is a river. It rises in Germany and is 2850 km long."
CLAIMS = ["It is long.", "The Danube rises in Germany and is 2850 km long."]
NLI = ["entailment", "neutral", "contradiction"]


@pytest.mark.parametrize(
    ("labels", "wanted", "index"),
    [
        ({0: "entailment", 1: "neutral", 2: "contradiction"}, None, 0),
        ({0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}, None, 2),
        ({0: "entailment", 1: "not_entailment"}, None, 0),
        ({0: "unsupported", 1: "supported"}, None, 1),
        ({0: "hallucinated", 1: "consistent"}, None, 1),
        ({0: "LABEL_0", 1: "LABEL_1"}, None, 1),
        ({0: "LABEL_0"}, None, 0),
        ({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, "label_2", 2),
    ],
)
def test_the_label_that_means_supported_is_read_from_the_names_of_the_labels(
    labels: dict[int, str], wanted: str | None, index: int
) -> None:
    assert find_support_label(labels, wanted, "m") == index


@pytest.mark.parametrize("wanted", [None, "entailed"])
def test_labels_that_leave_it_open_are_refused_with_their_names(wanted: str | None) -> None:
    with pytest.raises(GraderConfigError, match="LABEL_0, LABEL_1, LABEL_2"):
        find_support_label({n: f"LABEL_{n}" for n in range(3)}, wanted, "m")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer that puts two marks between a pair's texts, as RoBERTa's does."""
    folder = build_overlap_encoder(tmp_path_factory.mktemp("overlap"))
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B [SEP]",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


def save_bert(path: Path, tokenizer: Any, kind: str, labels: list[str] | None) -> str:
    """A one-layer BERT of random weights, saved as transformers saves one."""
    torch.manual_seed(0)
    named = {} if labels is None else {"id2label": dict(enumerate(labels))}
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        **named,
    )
    getattr(transformers, kind)(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


def raw_logits(path: str, *texts: str) -> Any:
    """What the model says of one text or pair, without our code."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.inference_mode():
        return model(**tokenizer(*texts, return_tensors="pt")).logits[0]


@pytest.mark.parametrize(
    ("labels", "place"),
    [(NLI, 0), (NLI[::-1], 2), (["NEUTRAL", "ENTAILMENT", "CONTRADICTION"], 1), (None, 1)],
)
def test_any_sequence_classifier_serves_by_its_path_whatever_the_order_of_its_labels(
    words: Any, tmp_path: Path, labels: list[str] | None, place: int
) -> None:
    path = save_bert(tmp_path, words, "BertForSequenceClassification", labels)
    encoder = load_encoder(path, threads=1)
    assert isinstance(encoder, HubCrossEncoder)
    found = encoder.support([Pair(SOURCE, claim) for claim in CLAIMS])
    for claim, support in zip(CLAIMS, found, strict=True):
        expected = raw_logits(path, SOURCE, claim).softmax(-1)[place]
        assert support.probability == pytest.approx(float(expected), abs=1e-6)
        assert support.tokens is None


def test_a_single_logit_is_the_score_of_being_consistent(words: Any, tmp_path: Path) -> None:
    path = save_bert(tmp_path, words, "BertForSequenceClassification", ["LABEL_0"])
    [support] = load_encoder(path).support([Pair(SOURCE, CLAIMS[0])])
    expected = raw_logits(path, SOURCE, CLAIMS[0]).sigmoid()
    assert support.probability == pytest.approx(float(expected), abs=1e-6)


def test_a_premise_that_does_not_fit_is_cut(words: Any, tmp_path: Path) -> None:
    encoder = load_encoder(save_bert(tmp_path, words, "BertForSequenceClassification", NLI))
    [support] = encoder.support([Pair(SOURCE * 40, CLAIMS[0])])
    assert 0 < support.probability < 1


def test_an_unknown_support_label_is_refused_with_those_that_there_are(
    words: Any, tmp_path: Path
) -> None:
    path = save_bert(tmp_path, words, "BertForSequenceClassification", NLI)
    with pytest.raises(GraderConfigError, match="entailment, neutral, contradiction"):
        load_encoder(path, 1, "yes")


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_a_checkpoint_without_a_trained_head_is_refused_with_what_it_lacks(
    words: Any, tmp_path: Path, kind: str
) -> None:
    path = save_bert(tmp_path, words, kind, NLI)
    with pytest.raises(GraderConfigError, match=r"lacks the weights .*classifier\.") as caught:
        load_encoder(path)
    assert "lytang/MiniCheck-RoBERTa-Large" in str(caught.value)


def test_code_of_a_model_s_own_is_never_run(words: Any, tmp_path: Path) -> None:
    path = save_bert(tmp_path, words, "BertForSequenceClassification", NLI)
    config = json.loads((tmp_path / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "model_type": "HHEMv2", "auto_map": own})
    )
    (tmp_path / "own.py").write_text("raise SystemExit('this was run')")
    with pytest.raises(GraderConfigError, match=r"custom code.*@hhem-1\.0-open"):
        load_encoder(path)


def test_a_revision_stands_after_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def from_pretrained(name: str, revision: str | None, **_: object) -> None:
        asked.append((name, revision))
        raise OSError("no network")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", from_pretrained)
    for model in ("some/model@v1.0", "some/model"):
        with pytest.raises(GraderConfigError, match="no network"):
            load_encoder(model)
    assert asked == [("some/model", "v1.0"), ("some/model", None)]


def test_minicheck_reads_one_mark_between_premise_and_claim(words: Any, tmp_path: Path) -> None:
    path = save_bert(tmp_path / "MiniCheck", words, "BertForSequenceClassification", None)
    encoder = load_encoder(path)
    [support] = encoder.support([Pair(SOURCE, CLAIMS[0])])
    expected = raw_logits(path, f"{SOURCE} [SEP] {CLAIMS[0]}").softmax(-1)[1]
    assert support.probability == pytest.approx(float(expected), abs=1e-6)
    assert encoder.room == 64 - 3


@pytest.fixture(scope="module")
def t5_words() -> Any:
    """Words for T5: a mark ends each text."""
    known = ["<pad>", "</s>", "<unk>", "0", "1", "predict", ":", *SOURCE.replace(".", " .").split()]
    vocabulary = {word: n for n, word in enumerate(dict.fromkeys(known))}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def save_t5(path: Path, tokenizer: Any, *, answers: bool) -> str:
    """A one-layer T5 of random weights; where it `answers`, 0 and 1 are its likeliest words."""
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        decoder_start_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config)
    with torch.no_grad():
        model.shared.weight.normal_(std=0.1)
        model.shared.weight[0, 0] = 3.0  # what the decoder begins with
        model.shared.weight[3:5, 0] = 5.0 if answers else 0.0
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


def test_a_t5_is_asked_as_minicheck_and_its_two_answers_are_weighed(
    t5_words: Any, tmp_path: Path
) -> None:
    path = save_t5(tmp_path, t5_words, answers=True)
    encoder = load_encoder(path)
    found = encoder.support([Pair(SOURCE, claim) for claim in CLAIMS])
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(path).eval()
    for claim, support in zip(CLAIMS, found, strict=True):
        asked = t5_words(f"predict: {SOURCE}</s>{claim}", return_tensors="pt")
        with torch.inference_mode():
            logits = model(**asked, decoder_input_ids=torch.zeros((1, 1), dtype=torch.long)).logits
        expected = logits[0, 0, [3, 4]].softmax(-1)[1]
        assert support.probability == pytest.approx(float(expected), abs=1e-6)
    assert found[0] != found[1]
    assert encoder.room == 512 - 2 - 2


def test_a_t5_that_was_trained_to_write_something_else_gives_no_opinion(
    t5_words: Any, tmp_path: Path
) -> None:
    encoder = load_encoder(save_t5(tmp_path, t5_words, answers=False))
    with pytest.raises(UngradedError, match="neither 0 nor 1"):
        encoder.support([Pair(SOURCE, CLAIMS[0])])
