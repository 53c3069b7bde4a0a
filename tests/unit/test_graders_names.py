"""Names of a sentence: which ordinary words at its beginning belong to them."""

import re

import pytest

from graders.names import find_names

PROSE = "Henry Fonda won an Oscar for On Golden Pond. In Spain it rains. He lives in The Hague."


def names(text: str, source: str) -> list[str]:
    known = frozenset(re.findall(r"\w+", source.casefold()))
    return [name.text for name in find_names(text, known, source)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("On Golden Pond is a film.", ["On Golden Pond"]),
        ("On Golden Pond's director won.", ["On Golden Pond"]),
        ("The Hague is a city.", ["The Hague"]),
        ("On Golden Lake it rains.", ["Golden Lake"]),
        ("In Spain it rains.", ["Spain"]),
    ],
)
def test_an_ordinary_first_word_stays_where_the_source_writes_the_name_with_it(
    text: str, found: list[str]
) -> None:
    assert names(text, PROSE) == found


def test_a_label_gives_the_whole_name() -> None:
    assert names("On Golden Pond won.", "Name: On Golden Pond\nKind: film") == ["On Golden Pond"]


def test_the_beginning_of_a_sentence_in_the_source_tells_nothing() -> None:
    assert names("On Golden Pond won.", "On Golden Pond swans live.") == ["Golden Pond"]
