"""Measures of diversity against values worked out by hand, and what holds for any corpus."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.metrics.overlap import compression_ratio, distinct_n, self_bleu
from graders.metrics.spread import dispersion, hashed_embeddings, unit_rows, vendi_score

corpora = st.lists(st.text("ab ", min_size=1), min_size=2, max_size=8).map(
    lambda texts: [f"x {text}" for text in texts]
)


def test_distinct_n_is_the_share_of_distinct_ngrams() -> None:
    texts = ["the cat sat", "The cat ran"]
    assert distinct_n(texts, 1) == pytest.approx(4 / 6)
    assert distinct_n(texts, 2) == pytest.approx(3 / 4)
    assert math.isnan(distinct_n(texts, 4))


def test_self_bleu_of_copies_is_one() -> None:
    assert self_bleu(["one two three four five"] * 3) == pytest.approx(1)


def test_self_bleu_of_texts_without_a_shared_word_is_zero() -> None:
    assert self_bleu(["one two three", "four five six"]) == 0


def test_self_bleu_is_the_mean_over_texts() -> None:
    # bigram BLEU: "a b c" has 2 of 3 words, 1 of 2 pairs; "a b d e" 2 of 4 and 1 of 3.
    # Lengths: 3 against 4 is penalised by exp(1 - 4/3), 4 against 3 is not.
    first = math.exp(1 - 4 / 3) * math.sqrt(2 / 3 * 1 / 2)
    second = math.sqrt(2 / 4 * 1 / 3)
    assert self_bleu(["a b c", "a b d e"], n=2) == pytest.approx((first + second) / 2)


def test_self_bleu_clips_by_the_other_text_that_has_most() -> None:
    # "a a a" finds at most two of its three in one other text; "a a" and "a b" find all they can
    third = math.exp(0) * 2 / 3
    assert self_bleu(["a a a", "a a", "a b"], n=1) == pytest.approx((third + 1 + 1 / 2) / 3)


def test_self_bleu_of_a_sample_is_the_same_for_the_same_seed() -> None:
    texts = [f"text number {n} of {n % 7}" for n in range(50)]
    assert self_bleu(texts, sample=10, seed=3) == self_bleu(texts, sample=10, seed=3)


def test_the_compression_ratio_is_that_of_gzip() -> None:
    texts = ["hello world"] * 20
    raw = "\n".join(texts).encode()
    assert compression_ratio(texts) == pytest.approx(len(raw) / len(gzip.compress(raw, 9)))


def test_dispersion_is_the_mean_cosine_distance_of_pairs() -> None:
    # distances: 1 (orthogonal), 1 - 1/sqrt(2) twice
    rows = [[1, 0], [0, 2], [1, 1]]
    assert dispersion(rows) == pytest.approx((1 + 2 * (1 - 1 / math.sqrt(2))) / 3)


def test_the_vendi_score_counts_different_texts() -> None:
    assert vendi_score(np.eye(4)) == pytest.approx(4)
    assert vendi_score(np.ones((4, 3))) == pytest.approx(1)
    assert vendi_score([[1, 0], [1, 0], [0, 1], [0, 1]]) == pytest.approx(2)


def test_the_vendi_score_of_two_texts_follows_from_their_cosine() -> None:
    # K/2 has eigenvalues (1 + c)/2 and (1 - c)/2
    cosine = 0.6
    shares = [(1 + cosine) / 2, (1 - cosine) / 2]
    expected = math.exp(-sum(share * math.log(share) for share in shares))
    assert vendi_score([[1, 0, 0], [0.6, 0.8, 0]]) == pytest.approx(expected)


def test_hashed_embeddings_of_texts_without_a_shared_word_are_orthogonal() -> None:
    rows = hashed_embeddings(["red fish", "blue bird", "red fish"])
    assert rows[0] @ rows[1] == 0
    assert rows[0] @ rows[2] == pytest.approx(1)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ([1.0, 2.0], "of shape"),
        ([[1.0, math.nan]], "finite"),
        ([[1.0, 0.0], [0.0, 0.0]], "embedding 1 is all zeros"),
    ],
)
def test_bad_embeddings_are_refused(embeddings: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unit_rows(embeddings)


def test_texts_without_words_and_empty_corpora_are_refused() -> None:
    with pytest.raises(ValueError, match="text 1 has no words"):
        distinct_n(["a", "..."], 1)
    with pytest.raises(ValueError, match="at least 1 texts, not 0"):
        compression_ratio([])
    with pytest.raises(ValueError, match="at least 2 texts, not 1"):
        self_bleu(["a"])
    with pytest.raises(ValueError, match="at least 2 texts"):
        dispersion([[1.0]])


@given(corpora)
def test_every_measure_keeps_its_range(texts: list[str]) -> None:
    rows = hashed_embeddings(texts)
    assert 0 < distinct_n(texts, 1) <= 1
    assert 0 <= self_bleu(texts) <= 1 + 1e-9
    assert -1e-9 <= dispersion(rows) <= 1 + 1e-9
    assert 1 - 1e-6 <= vendi_score(rows) <= len(texts) + 1e-6


@given(corpora)
def test_both_forms_of_the_vendi_score_agree(texts: list[str]) -> None:
    rows = hashed_embeddings(texts, dimensions=3)
    padded = np.hstack([rows, np.zeros((len(rows), 30))])
    assert vendi_score(rows) == pytest.approx(vendi_score(padded), abs=1e-6)
