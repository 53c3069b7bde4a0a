"""Toy material for the entailment grader, all made here: tokenizer, base model, labelled data."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] the a mill wheel stands in was built by ida crane arden "
    "1884 1885 it is not old new red blue lake river town before . , … : name kind meadow river "
    "##s ##ed of and"
).split()
LICENCE = "made for this test"


@cache
def toy_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer of a few words; letters stand for what it does not know."""
    letters = [f"{mark}{chr(c)}" for c in (*range(97, 123), *range(48, 58)) for mark in ("", "##")]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*WORDS, *letters]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def write_base(folder: Path) -> Path:
    """A BERT checkpoint of one narrow layer, with the toy tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=toy_tokenizer().get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    toy_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def write_data(folder: Path) -> Path:
    """A folder of labelled data in the published layout, a few rows a set."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for i in range(24):
        letter = chr(97 + i)
        source = (
            f"The {letter}mill of {letter}town was built by Ida Crane in 18{i + 10}. It stands "
        )
        source += f"in Arden, {letter}shire. The {letter}lake is blue. The {letter}river is red."
        right = f"The mill was built by Ida Crane. It stands in Arden, {letter}shire."
        wrong = f"The mill was built by Ida Crane. It stands in Lake, {letter}shire."
        at = wrong.index("Lake")
        for name in ("ragtruth", "summedits", "wice", "wice_spans", "bump", "fever_symmetric"):
            for good, text in ((True, right), (False, wrong)):
                row = {
                    "id": f"{name}-{i}-{good}",
                    "dataset": name,
                    "source_id": f"{name}-{i}",
                    "source": f"{name}: {source}",
                    "text": text,
                    "label": "consistent" if good else "inconsistent",
                    "spans": [] if good else [{"start": at, "end": at + 4, "kind": "made"}],
                    "licence": LICENCE,
                    "reference": right,
                    "context": "Before it all. The mill is old.",
                }
                rows.setdefault(name, []).append(row)
    _write(folder / "consistency", rows, zipped=("ragtruth", "summedits"))
    texts = {row["source"] for own in rows.values() for row in own}
    documents = [
        {"id": f"w-{i}", "text": t, "licence": LICENCE} for i, t in enumerate(sorted(texts))
    ]
    _write(folder / "sources", dict.fromkeys(("wikitext", "wikibio", "summedits_docs"), documents))
    return folder


def _write(
    folder: Path, rows: dict[str, list[dict[str, Any]]], zipped: tuple[str, ...] = ()
) -> None:
    import gzip

    folder.mkdir(parents=True)
    for name, own in rows.items():
        lines = "".join(json.dumps(row) + "\n" for row in own).encode()
        if name in zipped:
            (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines))
        else:
            (folder / f"{name}.jsonl").write_bytes(lines)
