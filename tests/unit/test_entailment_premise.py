"""Retrieval inside a source: segments, windows and premises of every shape of source."""

import json
import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.entailment.encoding import MATCHED, UNMATCHED, encode, pad
from graders.entailment.premise import (
    BUDGET,
    CONTEXT_WEIGHT,
    LEAD_BONUS,
    REPEAT_WEIGHT,
    SourceIndex,
    find_terms,
)
from graders.entailment.segments import count_pieces, split_segments
from graders.sized_cache import SizedCache
from tests.unit.entailment_toys import toy_tokenizer

FILLER = " ".join(
    f"Nothing of note was recorded about the quiet meadow number {word}."
    for word in "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()
)
PROSE = f"The mill stands in Arden. {FILLER} Its wheel was built by Ida Crane in 1884. {FILLER}"
SHEET = {
    "name": "Cafe Sol",
    "hours": {"Monday": "11:0-21:30"},
    "attributes": {"OutdoorSeating": True, "WiFi": None},
    "review_info": [{"review_text": "The soup was cold.\nThe staff was kind. " * 8}],
}


def test_a_source_that_fits_is_taken_whole() -> None:
    premise = SourceIndex("Name: Lake Orr\nDepth: 90 m").premise("Orr is deep.")
    assert premise.text == "Name: Lake Orr Depth: 90 m"
    assert [(w.start, w.end) for w in premise.windows] == [(0, 26)]


def test_the_premise_of_a_long_source_holds_the_sentence_that_decides() -> None:
    premise = SourceIndex(PROSE).premise("Ida Crane made the wheel in 1884.")
    assert "built by Ida Crane in 1884" in premise.text
    assert count_pieces(premise.text) <= BUDGET + 10


def test_the_sentence_before_a_claim_helps_to_find_what_its_pronoun_means() -> None:
    source = SourceIndex(PROSE)
    assert "wheel" in source.best("It was built early.", "Tell of Ida Crane.", k=1)[0].text


def test_windows_say_where_in_the_source_they_lie() -> None:
    for window in SourceIndex(PROSE).best("Ida Crane built the wheel.", k=3):
        assert PROSE[window.start : window.end] == window.text


def test_windows_come_in_the_order_of_the_source() -> None:
    starts = [w.start for w in SourceIndex(PROSE).best("Crane, Arden, meadow theta", k=4)]
    assert starts == sorted(starts)


def test_gaps_between_windows_are_marked() -> None:
    premise = SourceIndex(PROSE).premise("Ida Crane built it in Arden.", budget=120)
    assert premise.text.count(" … ") == len(premise.windows) - 1 > 0


@pytest.mark.parametrize("indent", [None, 2])
def test_json_reads_as_fields_under_their_names(indent: int | None) -> None:
    source = json.dumps(SHEET, indent=indent)
    segments = split_segments(source)
    texts = [segment.text for segment in segments]
    assert "name: Cafe Sol" in texts
    assert "hours: Monday 11 AM to 9:30 PM" in texts
    assert "attributes: Outdoor Seating yes, Wi Fi unknown" in texts
    assert '"Cafe Sol"' in source[segments[0].start : segments[0].end]


def test_a_long_field_is_cut_like_prose_and_stays_within_its_value() -> None:
    source = json.dumps(SHEET)
    reviews = [s for s in split_segments(source) if s.text.endswith("The staff was kind.")]
    assert len(reviews) >= 2
    assert all("kind" in source[s.start : s.end + 12] for s in reviews)


def test_what_only_looks_like_json_is_read_as_prose() -> None:
    for text in ("{not json at all", "[1] A footnote. It goes on.", '{"a": 1} and then prose.'):
        assert " ".join(s.text for s in split_segments(text)) == text


def test_speakers_and_bullets_stay_with_what_they_say() -> None:
    source = "Ann: I will come at nine.\nBob: Good.\n- a list item\n"
    assert [s.text for s in split_segments(source)] == [
        "Ann: I will come at nine.",
        "Bob: Good.",
        "- a list item",
    ]


def test_a_line_without_an_end_is_cut_at_words() -> None:
    source = "word " * 500
    segments = split_segments(source)
    assert max(count_pieces(s.text) for s in segments) <= 60
    assert " ".join(s.text for s in segments) == source.strip()


def test_numbers_match_however_they_are_written() -> None:
    assert find_terms("twelve") == find_terms("12") | {"12": 1.5}
    assert "1200" in find_terms("1,200 people")


@pytest.mark.parametrize("source", ["", "   \n", "…", "{}", "[]"])
def test_an_empty_source_gives_an_empty_premise(source: str) -> None:
    index = SourceIndex(source)
    assert not index.premise("A claim.").text.strip("…{}[]")
    assert len(index.best("A claim.")) <= 1


def dense_ranking(source: str, claim: str, context: str, segments: list[list[int]]) -> list[int]:
    """Windows ranked over a table of windows and terms, as the postings must rank them."""
    found = [find_terms(segment.text) for segment in split_segments(source)]
    names = sorted({term for terms in found for term in terms})
    table = np.array([[any(n in found[i] for i in run) for n in names] for run in segments], float)
    idf = {n: np.log(1 + len(found) / sum(n in terms for terms in found)) for n in names}
    said = {t: w * CONTEXT_WEIGHT for t, w in find_terms(context).items()} | find_terms(claim)
    weights = np.array([said.get(n, 0.0) * idf[n] for n in names])
    known = [weight for weight in weights if weight]
    order: list[int] = []
    for _ in range(min(len(segments), 8)):
        gains = table @ weights
        gains[0] += LEAD_BONUS * (np.mean(known) if known else 1.0)
        gains[order] = -1.0
        order.append(int(gains.round(5).argmax()))
        weights = np.where(table[order[-1]] > 0, weights * REPEAT_WEIGHT, weights)
    return order


@pytest.mark.parametrize("seed", range(20))
def test_postings_rank_windows_as_a_dense_table_does(seed: int) -> None:
    rng = random.Random(seed)
    words = [f"{letter}{end}" for letter in "bcdfgklmnp" for end in ("arn", "ole", "umt", "ix")]
    told = [" ".join(rng.choices(words, k=9)) for _ in range(60)]
    source = " ".join(f"The {line} stood." for line in told)
    index = SourceIndex(source)
    for line in rng.sample(told, 5):
        claim, context = f"{line.title()} fell.", " ".join(rng.choices(words, k=4))
        runs = [list(range(low, high)) for low, high in index._runs]
        ranked = list(index._ranked(claim, context))
        assert sorted(ranked) == list(range(len(runs)))
        wanted = dense_ranking(source, claim, context, runs)
        assert ranked[0] == wanted[0]
        assert len(set(ranked[:8]) & set(wanted)) >= 6


def test_an_index_of_many_short_lines_stays_small() -> None:
    source = "\n".join(f"k{n:x}q w{7 * n:x}z" for n in range(4000))
    tracemalloc.start()
    index = SourceIndex(source)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 8_000_000 and peak < 30_000_000
    assert index.nbytes > kept / 10


def test_a_cache_keeps_what_was_used_last_within_its_bytes() -> None:
    made: list[str] = []
    cache = SizedCache(lambda text: made.append(text) or text, len, most=10)
    for text in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb", "x" * 11, "x" * 11):
        assert cache.get(text) == text
    assert made == ["aaaa", "bbbb", "cccc", "bbbb", "x" * 11, "x" * 11]
    assert cache.bytes <= 10
    cache.clear()
    assert cache.bytes == 0


@given(st.text(max_size=400), st.text(max_size=60))
def test_any_source_and_claim_give_a_premise_with_valid_offsets(source: str, claim: str) -> None:
    index = SourceIndex(source)
    for window in (*index.premise(claim, budget=20).windows, *index.best(claim)):
        assert 0 <= window.start < window.end <= len(source)


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=20))
def test_any_json_keeps_every_value(value: object) -> None:
    source = json.dumps({"key": value})
    for segment in split_segments(source):
        assert 0 <= segment.start <= segment.end <= len(source)


def test_the_encoder_sees_which_words_of_the_claim_the_premise_holds() -> None:
    row = encode(toy_tokenizer(), "the mill stands in arden", "", "mills stood in arden")
    own = row.types[row.claim_start : row.claim_start + len(row.offsets)]
    words = ["mills stood in arden"[low:high] for low, high in row.offsets]
    told = dict(zip(words, own, strict=True))
    assert told["arden"] == told["in"] == MATCHED
    assert UNMATCHED in own


def test_a_row_that_is_too_long_loses_the_end_of_its_premise() -> None:
    row = encode(toy_tokenizer(), "the mill " * 300, "before", "the wheel", max_length=64)
    assert len(row.ids) == len(row.types) == 64
    assert row.claim_start + len(row.offsets) == 63


def test_a_batch_is_padded_with_masked_zeros() -> None:
    tokenizer = toy_tokenizer()
    batch = pad([encode(tokenizer, "the mill", "", "the"), encode(tokenizer, "", "", "the")])
    assert batch.ids.shape == batch.mask.shape == batch.types.shape == (2, 7)
    assert batch.mask.tolist()[1] == [1, 1, 1, 1, 1, 0, 0]
