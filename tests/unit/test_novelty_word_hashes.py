"""Words hashed in bulk: the same words, in the same order, as when split one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.novelty.shingles import is_number, words
from graders.novelty.word_hashes import hash_words

PIECES = ["the", "Don't", "1,200", "1,20", "1,2345,678", "3.5", "12", " ", "\n", ".", ",", "'", "-"]
PIECES += [
    "*(",
    "= ",
    "\u2019",
    "\u00e9t\u00e9",
    "\u4e2d\u6587",
    "\u00d7",
    "\u00bd",
    "_",
    "a1",
    "seven",
    "\x01",
    "\x00",
]
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=60))


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=5))
def test_bulk_splitting_finds_the_words_of_every_text(texts: list[str]) -> None:
    texts = [text.replace("\x00", "").replace("\x01", "") for text in texts]
    hashed = hash_words(texts)
    expected = [word for text in texts for word in words(text)]
    assert hashed.counts.tolist() == [len(words(text)) for text in texts]
    assert len(hashed.hashes) == len(expected)
    known: dict[str, int] = {}
    for word, value in zip(expected, hashed.hashes.tolist(), strict=True):
        assert known.setdefault(word, value) == value
    assert len(set(known.values())) == len(known)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["two", "Seven", "12", "1,200", "apples", "a1", "-"]), max_size=20))
def test_numbers_are_told_from_words(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert hash_words([text]).numbers.tolist() == [is_number(word) for word in words(text)]


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "\x01", "-", "5,", "1,234", "'", "it's'", "\ud800"]
)
def test_a_text_reads_the_same_alone_and_among_others(text: str) -> None:
    alone = hash_words([text])
    among = hash_words(["before 1,", text, "234 after"])
    part = among.hashes[among.offsets[1] : among.offsets[2]]
    assert np.array_equal(alone.hashes, part)


def test_a_text_longer_than_the_kept_weights_is_hashed_alike() -> None:
    short = hash_words(["alpha beta 12"]).hashes
    long = hash_words(["alpha beta 12 " * 30_000]).hashes
    assert np.array_equal(long.reshape(-1, 3)[[0, -1]], np.stack([short, short]))
