"""Composes claims whose truth is known: taken from real documents, or from Winnow's own sheets.

Supported claims are sentences of a document, shortened, merged or retold a little; the others are
such sentences corrupted, or ones that their source does not tell.
"""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from graders.claims import split_claims
from graders.entailment.premise import find_terms
from graders.quantities import SMALL
from workers.entailment.corruption import Surroundings, corrupt
from workers.entailment.labelled import LabelledClaim, read_rows
from workers.entailment.split import is_dev, is_held_out
from workers.tiny.corpus.claims import compose_claim
from workers.tiny.corpus.essays import compose_essay
from workers.tiny.corpus.schema import load_kinds
from workers.tiny.corpus.sheets import compose_sheet, render_sheet

DOCUMENTS: Final = ("wikitext.jsonl", "wikibio.jsonl", "summedits_docs.jsonl")
UNTOLD_COVER: Final = 0.5
"""A claim with less than this share of its words in a text is not supported by it."""
_ASIDE = re.compile(r" \([^()]*\)|, (?:which|who|where)\b[^,]*(?=,)")
_OPENER = re.compile(r"^(?:[A-Z]\w+ly|However|In addition|Moreover|Also|Then|Later|But|And), ")
_TAIL = re.compile(
    r"(?:, (?:and|but|while|with|as|which|who)\b| because| after| before)[^,]{12,}\.$"
)
_DIGITS: Final = {str(value): word for word, value in list(SMALL.items())[2:13]}
_RETOLD: Final = (
    (" percent", "%"), ("%", " percent"), (" also ", " "), (" such as ", " like "),
    (" however,", ""), (" because ", " since "), (" began ", " started "), (" about ", " around "),
    (" said ", " stated "), (" large ", " big "), (" wrote ", " authored "),
    (" died ", " passed away "),
    (" film ", " movie "), (" purchased ", " bought "), (" bought ", " purchased "),
    (" help ", " assist "), (" used ", " utilized "), (" over ", " more than "), (" U.S. ", " US "),
    (" children ", " kids "), (" several ", " a number of "), (" received ", " got "),
    (" is not ", " isn't "), (" did not ", " didn't "), (" located ", " situated "),
    (" show ", " demonstrate "), (" near ", " close to "), (" many ", " numerous "),
)  # fmt: skip


def read_documents(data: Path) -> list[str]:
    """Texts that claims may be made from, none of them held out or watching training."""
    folder = data / "sources"
    rows = [row for name in DOCUMENTS for row in read_rows(folder / name)]
    return [
        row["text"]
        for row in rows
        if not row["id"].startswith("summedits")
        or not (is_held_out("summedits", row["id"], row["text"]) or is_dev(row["text"]))
    ]


def document_claims(documents: Sequence[str], rng: random.Random) -> Iterator[LabelledClaim]:
    """Endless claims, supported and not about one to one, each document drawn alike."""
    told = [(text, split_claims(text)) for text in documents]
    told = [(text, claims) for text, claims in told if len(claims) >= 4]
    while True:
        (text, claims), (other, _) = rng.sample(told, 2)
        i = rng.randrange(len(claims))
        context = claims[i - 1].text if i else ""
        sentence = claims[i].text
        if not 30 <= len(sentence) <= 350:
            continue
        if rng.random() < 0.15 and i + 1 < len(claims) and len(sentence) < 150:
            sentence = _merged(sentence, claims[i + 1].text, rng)
        sentence = retell(sentence, rng)
        draw = rng.random()
        if draw < 0.47:
            yield LabelledClaim("documents", text, context, sentence, True, (), "documents")
        elif draw < 0.9:
            yield from corrupted("documents", text, context, sentence, other, rng)
        else:
            rest = text.replace(claims[i].text, " ")
            yield from untold("documents", rest, context, sentence)


def corrupted(
    dataset: str, source: str, context: str, sentence: str, other: str, rng: random.Random
) -> Iterator[LabelledClaim]:
    """The sentence with an error, if one can be made."""
    wrong = corrupt(sentence, Surroundings(source, other), rng)
    if wrong is not None:
        spans = ((wrong.start, wrong.end),)
        yield LabelledClaim(dataset, source, context, wrong.text, False, spans, dataset)


def untold(dataset: str, source: str, context: str, sentence: str) -> Iterator[LabelledClaim]:
    """The sentence against a source that shares few of its words, if that is so."""
    words = find_terms(sentence)
    there = find_terms(source).keys() & words.keys()
    if words and len(there) / len(words) < UNTOLD_COVER:
        yield LabelledClaim(dataset, source, context, sentence, False, None, dataset)


def retell(sentence: str, rng: random.Random) -> str:
    """The sentence in slightly other words, or without an aside; its meaning stays."""
    if rng.random() < 0.4:
        sentence = _ASIDE.sub("", sentence)
    if rng.random() < 0.5:
        sentence = _OPENER.sub("", sentence)
    if rng.random() < 0.25:
        sentence = _TAIL.sub(".", sentence)
    for old, new in _RETOLD:
        if rng.random() < 0.4:
            sentence = sentence.replace(old, new, 1)
    if rng.random() < 0.3:
        sentence = re.sub(
            r"(?<![\w.,:–-])\d+(?![\w,.:–-]| [A-Z])", lambda m: _DIGITS.get(m[0], m[0]), sentence
        )
    return sentence[:1].upper() + sentence[1:]


def _merged(one: str, two: str, rng: random.Random) -> str:
    """Two sentences as one; the second keeps a capital that may be a name's."""
    first = two.split(" ", 1)[0]
    small = first.lower() in ("the", "he", "she", "it", "they", "in", "his", "her", "a", "this")
    return (
        one.rstrip(".")
        + rng.choice((", and ", "; ", ", while "))
        + (two[:1].lower() + two[1:] if small else two)
    )


def sheet_claims(rng: random.Random) -> Iterator[LabelledClaim]:
    """Endless claims about Winnow's fact sheets of the training split."""
    kinds = sorted(load_kinds())
    while True:
        sheet = compose_sheet(rng, "train", rng.choice(kinds))
        text = render_sheet(sheet)
        if rng.random() < 0.3:
            _, essay = compose_essay(sheet, rng)
            said = split_claims(essay)
            at = rng.randrange(len(said))
            before = said[at - 1].text if at else ""
            yield LabelledClaim("sheets", text, before, said[at].text, True, (), "sheets")
            continue
        claim = compose_claim(sheet, rng)
        spans = () if claim.supported else None
        yield LabelledClaim("sheets", text, "", claim.text, claim.supported, spans, "sheets")
