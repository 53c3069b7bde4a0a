"""The table of keys against a search through all of them; long passages against all passages."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.novelty import BandIndex, copied_from_source
from graders.novelty.band_index import MOST_SHARING
from graders.novelty.fingerprint import KEYS, Keys
from graders.novelty.ngrams import containment, longest_shared, ngrams, share_run
from graders.novelty.semantic import LIMIT, in_other_words, same_numbers, scaled
from graders.types import Source

WORDS = st.lists(st.integers(0, 3), max_size=25)


def some_keys(rng: np.random.Generator, texts: int, different: int) -> Keys:
    return rng.integers(0, different, (texts, KEYS)).astype(np.uint32)


def brute_force(stored: Keys, row: Keys) -> list[int]:
    shared = ((stored == row) & (row > 0)).sum(axis=1)
    order = sorted(np.flatnonzero(shared).tolist(), key=lambda n: (-shared[n], n))
    return order[:MOST_SHARING]


@pytest.mark.parametrize("different", [40, 400, 1 << 32])
def test_the_texts_that_share_most_keys_are_found(different: int) -> None:
    rng = np.random.default_rng(different)
    stored = some_keys(rng, 3000, different)
    asked = np.concatenate((stored[::100], some_keys(rng, 30, different)))
    index = BandIndex()
    for start in range(0, len(stored), 700):
        index.add(stored[start : start + 700])
    assert len(index) == 3000
    assert index.sharing(asked) == [brute_force(stored, row) for row in asked]


def test_texts_without_keys_share_nothing() -> None:
    index = BandIndex()
    index.add(np.zeros((5, KEYS), np.uint32))
    assert index.sharing(np.zeros((2, KEYS), np.uint32)) == [[], []]
    assert index.sharing(np.zeros((0, KEYS), np.uint32)) == []


def test_a_key_that_many_texts_have_still_finds_the_newest() -> None:
    index = BandIndex()
    keys = np.zeros((5000, KEYS), np.uint32)
    keys[:, 3] = 7
    keys[4999, 4] = 9
    index.add(keys)
    (found,) = index.sharing(keys[4999:])
    assert found[0] == 4999 and len(found) == MOST_SHARING


@settings(deadline=None)
@given(WORDS, WORDS)
def test_the_longest_passage_is_found(a: list[int], b: list[int]) -> None:
    def passages(words: list[int], n: int) -> set[tuple[int, ...]]:
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    longest = max((n for n in range(1, 26) if passages(a, n) & passages(b, n)), default=0)
    start, length = longest_shared(np.array(a, np.uint64), np.array(b, np.uint64))
    assert length == longest
    if longest:
        assert tuple(a[start : start + length]) in passages(b, length)


def test_equal_sequences_have_equal_hashes_wherever_they_stand() -> None:
    words = np.array([5, 1, 2, 3, 9, 1, 2, 3], np.uint64)
    grams = ngrams(words, 3)
    assert grams[1] == grams[5] and len(set(grams.tolist())) == 5
    assert not len(ngrams(words, 9)) and not len(ngrams(words, 0))


def test_containment_is_the_share_of_different_words() -> None:
    a, b = np.array([1, 1, 2, 3, 4], np.uint64), np.array([1, 2, 9], np.uint64)
    assert containment(a, b) == 0.5
    assert containment(a[:0], b) == 0.0


def test_a_copied_passage_is_quoted_from_the_text() -> None:
    rng = random.Random(1)
    source = ["".join(rng.choices("abcdefgh", k=9)) for _ in range(300)]
    text = "My own words first: " + " ".join(source[100:140]).upper() + ". And an end."
    evidence = copied_from_source(text, Source("doc", " ".join(source)), 30, offset=7)
    assert evidence is not None and "40 words in a row" in evidence.reason
    assert evidence.start is not None and evidence.end is not None
    assert text[evidence.start - 7 : evidence.end - 7] == evidence.quote
    assert evidence.quote.startswith(source[100].upper())
    assert copied_from_source(text, Source("doc", " ".join(source)), 40) is None
    assert copied_from_source(text, Source("doc", " ".join(source)), 0) is None
    assert copied_from_source("", Source("doc", "x"), 1) is None


def test_a_word_problem_may_be_repeated_by_what_solves_it_but_not_be_the_new_problem() -> None:
    problem = "Ann has 3 pens. " + "Then she buys 2 more pens in a shop. " * 6 + "How many has she?"
    source = Source("p", problem)
    assert copied_from_source(f"Student: {problem}\nTutor: She has 15 pens.", source, 50) is None
    assert copied_from_source(problem, source, 50) is not None
    essay = "A shop sells pens. " * 20
    assert copied_from_source(f"{essay} So it is said.", Source("s", essay), 50) is not None


@given(WORDS, WORDS, st.integers(1, 8))
def test_a_run_is_shared_where_the_longest_one_is_as_long(
    a: list[int], b: list[int], n: int
) -> None:
    words, other = np.array(a, np.uint64), np.array(b, np.uint64)
    assert share_run(words, other, n) is (longest_shared(words, other)[1] >= n)


def test_a_cosine_at_its_threshold_is_over_the_limit_and_one_below_is_not() -> None:
    for threshold in (0.5, 0.8, 0.95):
        assert scaled(threshold, threshold) > LIMIT
        assert scaled(threshold - 1e-6, threshold) < LIMIT
        assert scaled(1.0, threshold) == 1.0
    assert scaled(-0.3, 0.8) == 0.0


def test_a_long_text_on_the_same_subject_is_no_paraphrase_until_it_shares_the_words() -> None:
    def letters(n: int) -> str:
        return "w" + "".join(chr(97 + int(digit)) for digit in str(n))

    text = " ".join(letters(n) for n in range(150))
    few = " ".join(letters(n) for n in range(100, 250))
    most = " ".join(letters(n) for n in range(149, 30, -1))
    assert in_other_words(text, "x", few, 0.9, 0.8).similarity < LIMIT
    assert in_other_words(text, "x", most, 0.9, 0.8).similarity > LIMIT
    assert in_other_words(text, "x", most, 0.5, 0.8).similarity < LIMIT
    short = " ".join(letters(n) for n in range(300, 340))
    assert in_other_words(short, "x", few, 0.81, 0.8).similarity > LIMIT


def test_problems_with_other_numbers_are_not_the_same() -> None:
    assert same_numbers("Tom has 3 apples and buys 4.", "After buying 4 apples, Tom has 3 more.")
    assert not same_numbers("Tom has 3 apples and buys 4.", "Tom has 17 apples and buys 9.")
    assert same_numbers("no numbers", "none here")
