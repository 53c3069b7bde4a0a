"""Novelty: measured recall and precision on texts made here, and the promises of its parts."""

import random
import subprocess
import sys
import unicodedata

import pytest

from graders.config import NoveltyConfig
from graders.invisible import INVISIBLE
from graders.novelty import (
    INDEX_VERSION,
    MemoryIndex,
    ProtectedTexts,
    fingerprint,
    novelty_grade,
)
from graders.novelty.shingles import similarity, words_with_offsets

LIMIT = 1 - NoveltyConfig().threshold
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


def vocabulary(rng: random.Random, size: int) -> list[str]:
    return ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(size)]


def write(rng: random.Random, vocab: list[str], length: int) -> list[str]:
    """Words by Zipf's law, with a number here and there."""
    weights = [1 / (rank + 2) for rank in range(len(vocab))]
    text = rng.choices(vocab, weights, k=length)
    return [str(rng.randint(2, 999)) if rng.random() < 0.03 else word for word in text]


def edit(rng: random.Random, text: list[str], vocab: list[str], share: float) -> list[str]:
    """Replace, drop or insert a share of the words; change the case and punctuation of others."""
    edited: list[str] = []
    chosen = set(rng.sample(range(len(text)), round(share * len(text))))
    for n, word in enumerate(text):
        if n not in chosen:
            edited.append(rng.choice([word, word, word.capitalize(), word + ","]))
        else:
            edited += rng.choice([[rng.choice(vocab)], [], [rng.choice(vocab), word]])
    return edited


def is_duplicate(index: MemoryIndex, text: str) -> bool:
    neighbour = index.nearest(text, fingerprint(text))
    return neighbour is not None and neighbour.similarity > LIMIT


def test_five_per_cent_edits_are_found_with_recall_and_precision_of_99_per_cent() -> None:
    rng = random.Random(7)
    vocab = vocabulary(rng, 3000)
    index = MemoryIndex()
    originals = [write(rng, vocab, rng.randint(60, 200)) for _ in range(600)]
    for n, text in enumerate(originals):
        joined = " ".join(text)
        index.add(str(n), joined, fingerprint(joined))
    copies = [" ".join(edit(rng, text, vocab, 0.05)) for text in originals]
    found = sum(is_duplicate(index, text) for text in copies)
    fresh = [" ".join(write(rng, vocab, rng.randint(60, 200))) for _ in range(600)]
    false_alarms = sum(is_duplicate(index, text) for text in fresh)
    assert found / len(copies) >= 0.99
    assert found / max(1, found + false_alarms) >= 0.99


NAMES = ["Tom", "Maya", "Igor", "Lena", "Omar", "Ruth", "Ken", "Ada", "Finn", "Zoe"]
MOULDS = [
    "{a} has {x} apples. {a} buys {y} more apples at the market and gives {z} apples to {b}. "
    "How many apples does {a} have now?",
    "A train leaves the station and travels at {x} kilometres per hour for {y} hours. After a "
    "short stop, {a} and {b} stay on board while it goes on for another {z} kilometres. How many "
    "kilometres does the train travel altogether?",
    "{a} bakes {x} trays of biscuits for the school fair. Each tray holds {y} biscuits. {b} eats "
    "{z} of the biscuits before the fair begins. How many biscuits are left for the fair?",
]


def test_problems_from_one_mould_with_other_numbers_and_names_are_new() -> None:
    rng = random.Random(3)
    alarms = pairs = 0
    for mould in MOULDS:
        texts = []
        for _ in range(40):
            a, b = rng.sample(NAMES, 2)
            x, y, z = rng.sample(range(2, 99), 3)
            texts.append(mould.format(a=a, b=b, x=x, y=y, z=z))
        for n, first in enumerate(texts):
            for second in texts[n + 1 :]:
                pairs += 1
                alarms += similarity(first, second) > LIMIT
    assert alarms / pairs <= 0.01


ESSAYS = (
    "The Danube is one of the great rivers of Europe. It rises in the Black Forest of Germany and "
    "flows for 2,850 kilometres before it reaches the Black Sea. On its way it passes through ten "
    "countries. Vienna, Budapest and Belgrade stand on its banks. Its largest tributary is the "
    "Sava.",
    "Few rivers join as many nations as the Danube. Ten countries share its course of 2,850 "
    "kilometres. From a spring in the Black Forest, in Germany, the water runs past Vienna, then "
    "past Budapest and Belgrade. The Sava brings it more water than any other tributary, and at "
    "last it pours into the Black Sea.",
)


def test_two_essays_on_the_same_facts_are_not_duplicates() -> None:
    assert similarity(*ESSAYS) < LIMIT


def test_case_punctuation_and_white_space_make_no_difference() -> None:
    index = MemoryIndex()
    index.add("a", ESSAYS[0], fingerprint(ESSAYS[0]))
    shouted = "  " + ESSAYS[0].upper().replace(".", " !").replace(" ", "\n")
    neighbour = index.nearest(shouted, fingerprint(shouted))
    assert neighbour is not None
    assert (neighbour.id, neighbour.similarity) == ("a", 1.0)


def test_a_short_text_is_a_duplicate_only_of_itself() -> None:
    index = MemoryIndex()
    index.add("a", "What is 3 + 2?", fingerprint("What is 3 + 2?"))
    assert not any(fingerprint("What is 3 + 2?").row()[0, :-1])
    assert is_duplicate(index, "what is 3+2")
    assert not is_duplicate(index, "What is 3 - 2?")
    assert not is_duplicate(index, "What is 3 + 4?")


def test_texts_without_words_are_not_all_the_same() -> None:
    assert fingerprint("!!!") != fingerprint("???")
    assert fingerprint("\ud800 lone").row().any() and fingerprint("").row().any()


def test_a_fingerprint_is_25_keys_of_32_bits() -> None:
    fp = fingerprint(ESSAYS[0])
    assert len(fp.keys) == 100
    assert fp.row().shape == (1, 25) and fp.row().all()


def test_another_process_makes_the_same_fingerprint() -> None:
    code = "import sys; from graders.novelty import fingerprint; print(fingerprint(sys.argv[1]))"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code, ESSAYS[0]],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""},
        )  # fmt: skip
        assert run.stdout.strip() == repr(fingerprint(ESSAYS[0]))


def test_the_scheme_of_the_keys_is_pinned_to_its_version() -> None:
    fp = fingerprint("The quick brown fox jumps over the lazy dog 12 times.")
    assert INDEX_VERSION == "hashed-pairs-n4-min6-rensa2-s1-24x4"
    assert fp.row()[0, [0, 24]].tolist() == [2281161186, 1183011406]


def test_the_grade_names_the_neighbour_and_quotes_the_words_in_common() -> None:
    index = MemoryIndex()
    index.add("b1/7", ESSAYS[0], fingerprint(ESSAYS[0]))
    text = "Listen: " + ESSAYS[0].replace("Vienna", "Linz")
    grade = novelty_grade(index.nearest(text, fingerprint(text)), text)
    assert grade.score is not None and grade.score < 0.2
    (evidence,) = grade.evidence
    assert "b1/7" in evidence.reason
    assert evidence.against is not None and evidence.against.startswith("b1/7: The Danube")
    assert text[evidence.start : evidence.end] == evidence.quote
    assert len(evidence.quote.split()) > 20


def test_what_resembles_nothing_scores_one() -> None:
    assert novelty_grade(MemoryIndex().nearest("x", fingerprint("x")), "x").score == 1.0


FRESH = " ".join(f"A wholly other sentence stands here under the number {n}." for n in range(30))


@pytest.mark.parametrize("protected", [*ESSAYS, "to be or not to be", MOULDS[1]])
def test_a_protected_text_is_caught_inside_a_longer_one(protected: str) -> None:
    text = FRESH + " " + protected.lower() + " " + FRESH
    neighbour = ProtectedTexts(["something else entirely", protected]).nearest(
        text, fingerprint(text)
    )
    assert neighbour is not None
    assert (neighbour.id, neighbour.similarity) == ("protected:1", 1.0)


def test_a_passage_copied_out_of_a_long_protected_text_is_caught() -> None:
    rng = random.Random(5)
    vocab = vocabulary(rng, 2000)
    long = write(rng, vocab, 3000)
    text = FRESH + " ".join(long[1000:1060])
    neighbour = ProtectedTexts([" ".join(long)]).nearest(text, fingerprint(text))
    assert neighbour is not None and neighbour.similarity > LIMIT


def test_a_protected_text_with_five_per_cent_edits_is_caught_inside_a_longer_one() -> None:
    rng = random.Random(6)
    vocab = vocabulary(rng, 2000)
    protected = [write(rng, vocab, 80) for _ in range(50)]
    guard = ProtectedTexts(" ".join(text) for text in protected)
    texts = [FRESH + " " + " ".join(edit(rng, text, vocab, 0.05)) for text in protected]
    near = [guard.nearest(text, fingerprint(text)) for text in texts]
    assert all(neighbour and neighbour.similarity > LIMIT for neighbour in near)


def test_texts_on_the_same_facts_as_a_protected_one_pass() -> None:
    neighbour = ProtectedTexts([ESSAYS[0]]).nearest(ESSAYS[1], fingerprint(ESSAYS[1]))
    assert neighbour is None or neighbour.similarity < LIMIT


@pytest.mark.parametrize("mark", ["\u200b", "\u00ad", "\u2060", "\u034f", "\U000e0061"])
def test_invisible_marks_change_no_word(mark: str) -> None:
    text = "Ann has three red pens and buys four more of them."
    hidden = mark.join(text)
    assert similarity(text, hidden) == 1.0
    assert [hidden[low:high].replace(mark, "") for _, low, high in words_with_offsets(hidden)] == [
        text[low:high] for _, low, high in words_with_offsets(text)
    ]


def test_every_formatting_character_of_unicode_is_invisible() -> None:
    marks = {chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) == "Cf"}
    assert marks <= INVISIBLE
