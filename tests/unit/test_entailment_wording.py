"""Words' likes, read off word vectors: synonyms to retell with, words of a kind to corrupt with."""

import random
from collections.abc import Mapping

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from workers.entailment.corruption import Surroundings, corrupt
from workers.entailment.synthetic import retell
from workers.entailment.wording import Wording, no_wording, read_wording

DEGREES = {
    "movie": 0, "film": 20, "concert": 66, "movies": 10, "lecture": 89, "cut": 66, "watched": 66,
}  # fmt: skip


def wording_of(degrees: Mapping[str, int]) -> Wording:
    """Two-dimensional words; their cosine is that of the angle between them."""
    vocabulary = {word: i for i, word in enumerate(degrees)}
    angles = np.radians(list(degrees.values()))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return read_wording(Tokenizer(WordLevel(vocabulary, "film")), vectors)


@pytest.fixture
def wording() -> Wording:
    return wording_of(DEGREES)


def test_near_words_are_synonyms_and_less_near_ones_are_others_of_the_field(
    wording: Wording,
) -> None:
    assert "film" in wording("movie").same
    assert "concert" in wording("movie").other
    assert "concert" not in wording("movie").same


def test_a_like_fits_the_place_of_its_word(wording: Wording) -> None:
    likes = wording("movie")
    assert not {"movies", "watched", "cut", "lecture"} & {*likes.same, *likes.other}


def test_of_an_unknown_word_nothing_is_known(wording: Wording) -> None:
    assert wording("xylophone") == no_wording("movie")


def test_a_word_is_exchanged_for_another_of_its_field(wording: Wording) -> None:
    around = Surroundings("", "", wording)
    made = [corrupt("they saw the movie", around, random.Random(seed)) for seed in range(40)]
    words = {m.text for m in made if m is not None and m.kind == "word"}
    assert words == {"they saw the concert"}


def test_retelling_takes_synonyms_but_no_opposites(wording: Wording) -> None:
    told = {retell("the movie was long", random.Random(seed), wording) for seed in range(40)}
    assert told == {"The movie was long", "The film was long"}
    opposites = wording_of({"cheap": 0, "expensive": 20})
    assert opposites("cheap").same == ["expensive"]
    assert {retell("it is cheap", random.Random(s), opposites) for s in range(40)} == {
        "It is cheap"
    }
