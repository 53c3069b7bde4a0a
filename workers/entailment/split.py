"""Which sources may be trained on: fixed by a hash of the source's text, never by row.

A source is its words: copies that differ in spacing, case or punctuation are one source.
"""

import hashlib
import re
from typing import Final

HELD_OUT_SHARE: Final = {
    "ragtruth": 0.5,
    "summedits": 0.5,
    "wice": 0.2,
    "wice_spans": 0.2,
    "bump": 0.2,
    "fever_symmetric": 0.2,
}
"""Sets that training reads, and the share of sources kept for measurement; other sets: all."""
DEV_SHARE: Final = 0.12
"""Of the sources that may be trained on, this share watches training instead."""
_KEY_WORDS: Final = 60
_WORD = re.compile(r"\w+")


def source_key(source_text: str) -> str:
    """One key for all copies of a source: a hash of its first 60 words, lower case."""
    words = _WORD.findall(source_text.casefold())[:_KEY_WORDS]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def is_held_out(dataset: str, source_id: str, source_text: str) -> bool:
    """Whether training never saw this source, so that a figure may be measured on it.

    `open_models` follows `ragtruth`, whose sources it shares. `source_id` plays no part: sets
    number their sources differently.
    """
    share = HELD_OUT_SHARE.get("ragtruth" if dataset == "open_models" else dataset)
    return share is None or _place(source_text, 0) < share


def is_dev(source_text: str) -> bool:
    """Whether a source that is not held out watches training instead of feeding it."""
    return _place(source_text, 8) < DEV_SHARE


def _place(source_text: str, at: int) -> float:
    return int(source_key(source_text)[at : at + 8], 16) / 2**32
