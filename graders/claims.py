"""Splits a text into claims with their exact offsets: text[claim.start:claim.end] == claim.text.

Questions and small talk make no claim; `split_sentences` still returns them, marked as such.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

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
_SPEAKER = re.compile(r"^[ \t]*([A-Z][a-z]+):[ \t]+", re.MULTILINE)
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"”’')\]]*+(?=\s|$)")
_LONGEST_TOKEN = 40
_TOKEN_BEFORE = re.compile(r"([\w.]*\w)\.+[\"”’')\]]*$")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_TAG_QUESTION = re.compile(
    r"(?:So,? )?(\S.*?\w), (?:right|correct|isn['’]t it|is it not)\?", re.IGNORECASE | re.DOTALL
)
"""`It is a river, right?` asks for agreement: it states that it is one."""
_TALK_FIRST: Final = frozenset(
    "hello hi hey thanks thank welcome goodbye bye please gladly certainly sure".split()
)
_TALK: Final = frozenset(
    "good great excellent wonderful nice fine question questions point idea job work answer yes no "
    "of course exactly right correct that that's is was very well done a an the let me us explain "
    "begin start sure okay ok all for today you're you are i'm i am glad happy to help my pleasure "
    "with see soon indeed absolutely certainly understand understood now so think about it thought "
    "here we go keep up morning afternoon evening and quite what interesting".split()
)
_PERSONAL: Final = frozenset("i me you us we my your".split())


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence without its label or bullet; offsets count characters of the split text."""

    text: str
    start: int
    end: int
    mood: Mood = "statement"


def split_claims(text: str, start: int = 0) -> list[Claim]:
    """The statements of text[start:] that can be true or false, in order."""
    return [claim for claim in split_sentences(text, start) if claim.mood == "statement"]


def split_sentences(text: str, start: int = 0) -> list[Claim]:
    """Every sentence of text[start:], questions and small talk included, in order."""
    speakers = frozenset(_repeated_speakers(text))
    found = []
    for low, high in _blocks(text, start):
        for begin, end in _sentences(text, _skip_lead(text, low, high, speakers), high):
            sentence = text[begin:end]
            tag = _TAG_QUESTION.fullmatch(sentence)
            if tag:
                found.append(Claim(tag[1], begin + tag.start(1), begin + tag.end(1)))
            elif any(char.isalnum() for char in sentence):
                found.append(Claim(sentence, begin, end, _mood(sentence)))
    return found


def _repeated_speakers(text: str) -> Iterator[str]:
    """Those who speak, in a text where at least one of them speaks twice."""
    names = [match[1] for match in _SPEAKER.finditer(text)]
    if len(set(names)) < len(names):
        yield from names


def _blocks(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Runs of lines: a line that merely continues its forerunner stays with it."""
    low = start
    for newline in re.finditer(r"\n", text[start:]):
        here = start + newline.start()
        after = text[here + 1 :].lstrip(" \t")
        before = text[low:here].rstrip()
        if before and after[:1].islower() and before[-1] not in ".!?:;":
            continue
        yield low, here
        low = here + 1
    yield low, len(text)


def _skip_lead(text: str, low: int, high: int, speakers: frozenset[str]) -> int:
    lead = _LEAD.match(text, low, high)
    begin = lead.end() if lead else low
    speaker = _SPEAKER.match(text[begin:high])
    return begin + speaker.end() if speaker and speaker[1] in speakers else begin


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
    rest = text[end:high].lstrip()
    ending = text[mark:end]
    if not rest:
        return True
    following = rest.lstrip("\"'“‘([")
    if following[:1].islower():
        return False
    if "!" in ending or "?" in ending:
        return True
    token = _TOKEN_BEFORE.search(text, max(begin, end - _LONGEST_TOKEN), end)
    if token is None:
        return True
    return _token_ends(token[1], following)


def _token_ends(token: str, following: str) -> bool:
    """Whether the full stop after `token` closes a sentence when `following` comes next."""
    word = _WORD.match(following)
    starter = word is not None and word[0].lower() in STARTERS
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


def _mood(sentence: str) -> Mood:
    if sentence.rstrip("\"'”’)]").endswith("?"):
        return "question"
    words = [word.lower().replace("’", "'") for word in _WORD.findall(sentence)]
    if any(char.isdigit() for char in sentence):
        return "statement"
    if not words or words[0] in _TALK_FIRST or all(word in _TALK for word in words):
        return "talk"
    personal = words[0] in _PERSONAL or words[:2] in (["let", "me"], ["let", "us"])
    return "talk" if personal else "statement"
