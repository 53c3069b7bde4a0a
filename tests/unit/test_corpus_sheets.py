"""What the fact-sheet corpus promises: true texts, claims wrong in a known way, a sound oracle."""

import json
import random
from dataclasses import replace

import pytest

from workers.tiny.corpus.claims import compose_claim
from workers.tiny.corpus.essays import compose_dialogue, compose_essay
from workers.tiny.corpus.names import Split, name_pool
from workers.tiny.corpus.schema import KINDS, KindError, load_kinds, parse_kind
from workers.tiny.corpus.segments import sentences
from workers.tiny.corpus.sheet_oracle import answer_key, judge_text
from workers.tiny.corpus.sheets import Fact, Sheet, compose_sheet, render_sheet, split_of_sheet

SEEDS = range(500)


def sheet_for(seed: int) -> tuple[Sheet, random.Random]:
    rng = random.Random(seed)
    split: Split = "held_out" if seed % 3 == 0 else "train"
    return compose_sheet(rng, split), rng


def test_every_kind_validates() -> None:
    assert load_kinds()


def test_essays_are_true_recognised_and_of_the_promised_length() -> None:
    for seed in SEEDS:
        sheet, rng = sheet_for(seed)
        thesis, essay = compose_essay(sheet, rng)
        found = judge_text(sheet, f"{thesis} {essay}")
        assert not found.wrong and not found.unrecognised, (render_sheet(sheet), found)
        assert found.facts_carried >= min(5, len(sheet.facts)), essay
        assert 5 <= len(list(sentences(essay, answer_key(sheet).starters))) <= 8, essay


def test_dialogues_are_true_and_recognised() -> None:
    for seed in SEEDS:
        sheet, rng = sheet_for(seed)
        dialogue = compose_dialogue(sheet, rng)
        found = judge_text(sheet, dialogue)
        assert not found.wrong and not found.unrecognised, (render_sheet(sheet), found)
        assert 4 <= dialogue.count("Student: ") == dialogue.count("Tutor: ") <= 8, dialogue


def test_corrupted_claims_are_wrong_and_true_ones_are_not() -> None:
    reasons: set[str] = set()
    supported = 0
    for seed in SEEDS:
        sheet, rng = sheet_for(seed)
        claim = compose_claim(sheet, rng)
        found = judge_text(sheet, claim.text)
        assert claim.fact in sheet.facts
        assert bool(found.wrong) is not claim.supported, (render_sheet(sheet), claim, found)
        assert not found.unrecognised, (render_sheet(sheet), claim)
        reasons.add(claim.reason)
        supported += claim.supported
    assert 200 < supported < 300
    assert reasons >= {"negation", "wrong subject", "wrong name", "wrong number"}


def test_held_out_names_are_never_trained_on() -> None:
    rng = random.Random(5)
    train = {compose_sheet(rng, "train").name for _ in range(1500)}
    held = {compose_sheet(rng, "held_out").name for _ in range(500)}
    assert not train & held
    assert not set(name_pool("person", "train", 200)) & set(name_pool("person", "held_out", 100))


def test_a_sheet_knows_its_split() -> None:
    rng = random.Random(6)
    for split in ("train", "held_out") * 100:
        assert split_of_sheet(compose_sheet(rng, split)) == split


def test_a_mangled_sentence_is_unrecognised() -> None:
    for seed in range(50):
        sheet, rng = sheet_for(seed)
        _, essay = compose_essay(sheet, rng)
        found = judge_text(sheet, f"{essay} Zorp quickly of the and banana.")
        assert [f.sentence for f in found.unrecognised] == ["Zorp quickly of the and banana."]
        assert not found.wrong


def test_a_sheet_is_the_same_for_the_same_seed() -> None:
    assert sheet_for(7)[0] == sheet_for(7)[0]


@pytest.mark.parametrize(
    ("part", "text", "fault"),
    [
        ("sentences", "{Subject} has {colour}.", "unknown slot {colour}"),
        ("theses", "{name} is {kind.", "stray brace"),
        ("closings", "{name} ends well. And again.", "not one sentence"),
    ],
)
def test_a_fault_names_the_file_and_the_template(part: str, text: str, fault: str) -> None:
    data = json.loads(next(iter(sorted(KINDS.glob("*.json")))).read_text(encoding="utf-8"))
    data[part].append(text)
    with pytest.raises(KindError, match=r"bad\.json") as caught:
        parse_kind(data, "bad.json")
    assert fault in str(caught.value) and text in str(caught.value)


def curie() -> Sheet:
    facts = {
        "birth_year": "1867",
        "birth_place": "Warsaw",
        "death_year": "1934",
        "death_place": "Passy",
        "field": "physics",
    }
    labels = load_kinds()["scientist"].relations
    lines = tuple(Fact(k, labels[k].label, v) for k, v in facts.items())
    return Sheet("scientist/curie", "scientist", "Marie Curie", "she", lines)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Marie Curie was born in Warsaw.", "right"),
        ("In addition, she was born in  warsaw.", "right"),
        ("Tutor: Yes. She was born in Warsaw.", "right"),
        ("He was born in Warsaw.", "wrong"),
        ("She was born in Paris.", "wrong"),
        ("She was not born in Warsaw.", "wrong"),
        ("She was never born in Warsaw.", "wrong"),
        ("Albert Einstein was born in Warsaw.", "wrong"),
        ("The year of her birth was 1934.", "wrong"),
        ("The year off her birth was 1867.", "right"),
        ("The year off her birth was 1868.", "wrong"),
        ("Student: So she was born in Passy, right?", "wrong"),
        ("She born Warsaw of was the in.", "unrecognised"),
        ("She was", "unrecognised"),
    ],
)
def test_the_oracle_on_sentences_written_by_hand(text: str, verdict: str) -> None:
    found = judge_text(curie(), text)
    said = "wrong" if found.wrong else "unrecognised" if found.unrecognised else "right"
    assert said == verdict, found


def test_a_finding_gives_the_offsets_of_its_sentence() -> None:
    text = "Student: Hello, I would like to learn about Marie Curie.\nTutor: She was born in Rome."
    (finding,) = judge_text(curie(), text).wrong
    assert text[finding.start : finding.end] == "She was born in Rome."


def test_an_essay_about_another_sheet_is_mostly_wrong() -> None:
    for seed in range(60):
        sheet, rng = sheet_for(seed)
        _, essay = compose_essay(sheet, rng)
        other = replace(compose_sheet(rng, "train", sheet.kind, True), name=sheet.name)
        assert len(judge_text(other, essay).wrong) >= 3
