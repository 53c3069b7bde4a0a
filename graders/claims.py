"""Splits a text into claims with their exact offsets: text[claim.start:claim.end] == claim.text.

Questions and small talk make no claim; `split_sentences` still returns them, marked as such. To
it a bare yes or no to a question is a statement, one that rests on the sentence before. What is
small talk is a closed list (`graders.small_talk`): whatever is not on it states something.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from graders.small_talk import bare_answer, is_answer, is_small_talk
from graders.wrapped import find_wrapped

Mood = Literal["statement", "question", "talk"]

TITLES: Final = frozenset(
    "dr mr mrs ms prof st mt ft gen col capt lt sgt rev hon fig vs cf approx ca c e.g i.e "
    "jan feb mar apr jun jul aug sep sept oct nov dec al".split()
)
STARTERS: Final = frozenset(
    "it its the this that these those he she they his her their there in on at a an as by for "
    "from to we i you with after before when while if but and so today since moreover however "
    "furthermore among one no many most what which who how why".split()
)
LABELS: Final = (
    "student|tutor|teacher|pupil|thesis|essay|problem|solution|question|answer|claim|summary|"
    "introduction|conclusion|user|assistant|q|a"
)
_ABBREVIATED: Final = frozenset("jr sr inc ltd co corp etc vol no pp ed a.m p.m".split())
_LEAD = re.compile(
    rf"[ \t]*(?:(?:[-*•–]|\d{{1,2}}[.)])[ \t]+)?(?:(?:{LABELS})[ \t]*:[ \t]*)?", re.IGNORECASE
)
_SPEAKER = re.compile(r"[ \t]*([A-Z][a-z]+):[ \t]+")
_SPEAKERS = re.compile(rf"^{_SPEAKER.pattern}", re.MULTILINE)
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"”’')\]]*+(?=\s|$)")
_LONGEST_TOKEN = 40
_TOKEN_BEFORE = re.compile(r"([\w.]*\w)\.+[\"”’')\]]*$")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LINE = re.compile(r"[^\n]*")
_INDENT = re.compile(r"[ \t]*")
_GAP = re.compile(r"\s*")
_OPENING = re.compile(r"[\"'“‘(\[]*")


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence without its label or bullet; offsets count characters of the split text."""

    text: str
    start: int
    end: int
    mood: Mood = "statement"


def split_claims(text: str, start: int = 0) -> list[Claim]:
    """The statements of text[start:] that can be true or false by themselves, in order.

    A bare yes or no is none of them: what it states is in the question before it.
    """
    stated = (claim for claim in split_sentences(text, start) if claim.mood == "statement")
    return [claim for claim in stated if bare_answer(claim.text) is None]


def split_sentences(text: str, start: int = 0) -> list[Claim]:
    """Every sentence of text[start:], questions and small talk included, in order."""
    speakers = frozenset(_repeated_speakers(text))
    found, before = [], ""
    for low, high in _blocks(text, start):
        for begin, end in _sentences(text, _skip_lead(text, low, high, speakers), high):
            sentence = text[begin:end]
            if wrapped := find_wrapped(sentence):
                inner = slice(*wrapped)
                found.append(Claim(sentence[inner], begin + inner.start, begin + inner.stop))
            elif any(char.isalnum() for char in sentence):
                found.append(Claim(sentence, begin, end, _mood(sentence, before)))
            before = sentence
    return found


def _repeated_speakers(text: str) -> Iterator[str]:
    """Those who speak, in a text where at least one of them speaks twice."""
    names = [match[1] for match in _SPEAKERS.finditer(text)]
    if len(set(names)) < len(names):
        yield from names


def _blocks(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Runs of lines: a line that merely continues its forerunner stays with it."""
    low, last = start, ""
    for line in _LINE.finditer(text, start):
        last = _last_mark(text, line.start(), line.end()) or last
        if line.end() == len(text):
            break
        following = _past(_INDENT, text, line.end() + 1)
        if last and text[following : following + 1].islower() and last not in ".!?:;":
            continue
        yield low, line.end()
        low, last = line.end() + 1, ""
    yield low, len(text)


def _last_mark(text: str, low: int, high: int) -> str:
    """The last character of text[low:high] that is no white space."""
    while high > low and text[high - 1].isspace():
        high -= 1
    return text[high - 1 : high] if high > low else ""


def _past(pattern: re.Pattern[str], text: str, at: int, end: int | None = None) -> int:
    """Where a pattern that always matches ends, from `at` on."""
    match = pattern.match(text, at, len(text) if end is None else end)
    return match.end() if match else at


def _skip_lead(text: str, low: int, high: int, speakers: frozenset[str]) -> int:
    begin = _past(_LEAD, text, low, high)
    speaker = _SPEAKER.match(text, begin, high)
    return speaker.end() if speaker and speaker[1] in speakers else begin


def _sentences(text: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    begin = low
    for match in _END.finditer(text, low, high):
        if _ends_sentence(text, begin, match.start(), match.end(), high):
            yield from _trim(text, begin, match.end())
            begin = match.end()
    yield from _trim(text, begin, high)


def _trim(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    if end > begin:
        yield begin, end


def _ends_sentence(text: str, begin: int, mark: int, end: int, high: int) -> bool:
    rest = _past(_GAP, text, end, high)
    if rest == high:
        return True
    following = _past(_OPENING, text, rest, high)
    first = text[following : min(following + 1, high)]
    if first.islower():
        return False
    ending = text[mark:end]
    if "!" in ending or "?" in ending:
        return True
    token = _TOKEN_BEFORE.search(text, max(begin, end - _LONGEST_TOKEN), end)
    if token is None:
        return True
    word = _WORD.match(text, following, high)
    return _token_ends(token[1], word[0] if word else first)


def _token_ends(token: str, following: str) -> bool:
    """Whether the full stop after `token` closes a sentence when the word `following` is next."""
    starter = following.lower() in STARTERS
    bare = token.lower()
    if bare in TITLES:
        return False
    if bare == "no":
        return not following[:1].isdigit()
    if bare in _ABBREVIATED or ("." in bare and not any(c.isdigit() for c in bare)):
        return starter
    if len(token) == 1 and token.isalpha() and token.isupper():
        return starter
    return True


def _mood(sentence: str, before: str) -> Mood:
    if sentence.rstrip("\"'”’)]").endswith("?"):
        return "question"
    talk = is_small_talk(sentence) and not is_answer(sentence, before)
    return "talk" if talk else "statement"
