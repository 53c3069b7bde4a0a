"""Checkpoints with random weights: a real architecture's speed, and text without meaning."""

import json
import shutil
from itertools import count, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Final

from workers.engines.registry import TINY_MODEL, resolve_model

ARCHITECTURES: Final = Path(__file__).parent / "architectures"
PREFIX: Final = "dummy:"
SENTENCE: Final = 16
"""Every so many made-up words one ends a sentence, so that graders have claims to read."""


def is_dummy(model: str) -> bool:
    """Whether this asks for random weights."""
    return model.startswith(PREFIX)


def architecture(model: str) -> Path:
    """The config.json that `dummy:<name or path>` means. Raises ValueError, naming those here."""
    name = model.removeprefix(PREFIX)
    given = Path(name).expanduser()
    for path in (ARCHITECTURES / f"{name}.json", given / "config.json", given):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in ARCHITECTURES.glob("*.json")))
    raise ValueError(f"no architecture {name!r}: give a config.json or one of: {known}")


def write_dummy(model: str, folder: Path, *, weights: bool, seed: int = 0) -> Path:
    """A checkpoint folder: the architecture's config, a tokenizer of its vocabulary's size, and
    random weights if asked for (vLLM makes its own under `load_format="dummy"`).

    Raises ValueError for an unknown architecture, and for a vocabulary below the tokenizer's.
    """
    config = json.loads(architecture(model).read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    tiny = Path(resolve_model(TINY_MODEL))
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny / name, folder / name)
    tokenizer = json.loads((tiny / "tokenizer.json").read_text(encoding="utf-8"))
    _enlarge(tokenizer, config["vocab_size"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    ids = json.loads((tiny / "config.json").read_text(encoding="utf-8"))
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        config[name] = ids[name]
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    if weights:
        _write_weights(folder, seed)
    return folder


def _enlarge(tokenizer: dict[str, Any], size: int) -> None:
    """Fill the vocabulary with made-up words; no text is ever encoded as one of them."""
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    added = [token["id"] for token in tokenizer["added_tokens"]]
    used = max([*vocabulary.values(), *added]) + 1
    if size < used:
        raise ValueError(f"a vocabulary of {size} is too small: the tokenizer has {used} tokens")
    words = (f"Ġ{''.join(word)}" for length in count(4) for word in product(*[_CALM] * length))
    for number, word in zip(range(used, size), words, strict=False):
        vocabulary[f"{word}.ĠThe" if number % SENTENCE == 0 else word] = number


_CALM: Final = "".join(letter for letter in ascii_lowercase if letter not in "qxz")


def _write_weights(folder: Path, seed: int) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
