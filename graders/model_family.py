"""Are two models of one family? A judge favours texts of its own kind.

Panickssery et al. 2024, section 3: self-preference grows with a model's knowing its own text.
"""

import re
from typing import Final

ANYWHERE: Final = (
    "llama", "qwen", "mistral", "mixtral", "gemma", "gemini", "deepseek", "claude", "granite",
    "falcon", "olmo", "smollm", "pythia", "nemotron", "winnow",
)  # fmt: skip
"""Family names long enough to be known inside a word, as in `codellama`."""
ALONE: Final = frozenset({"gpt", "phi", "yi", "glm", "opt", "bloom", "command", "qwq"})
_ALIASES: Final = {"mixtral": "mistral", "gemini": "gemma", "qwq": "qwen"}
_WORD: Final = re.compile(r"[a-z]+")


def same_family(one: str, other: str) -> bool:
    """Whether the names of two checkpoints (hub names, paths) share a family.

    `meta-llama/Llama-3.1-8B` and `models/codellama-70b` do; a distillation belongs to both its
    families. It reads names only: a fine-tune under a name of its own goes unnoticed.
    """
    return one.casefold() == other.casefold() or bool(families(one) & families(other))


def families(name: str) -> frozenset[str]:
    """The families that a checkpoint's name tells of; else the first word of its last part."""
    folded = name.casefold().rstrip("/")
    words = _WORD.findall(folded)
    known = {family for family in ANYWHERE if family in folded} | (ALONE & set(words))
    if known:
        return frozenset(_ALIASES.get(family, family) for family in known)
    last = _WORD.findall(folded.rpartition("/")[2])
    return frozenset(last[:1])
