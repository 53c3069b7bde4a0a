"""Finds the final answer of a reply: the last of its boxes, `####`, `Answer:` and "the answer is".

Without any of them it is the last number, together with what scales, bounds or denies it.
"""

import re
from typing import Final

from graders.hedging import is_hedged
from graders.quantities import SMALL, TENS, UNITS

MAX_ANSWER: Final = 400
"""Characters of an answer line that are looked at."""

BOXED = re.compile(r"\\f?boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
HASHES = re.compile(r"(?<!#)####[ \t]*+(?=[^\n])")
NUMBER = re.compile(r"[-−]?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?\s?%?")
_NAME = r"answer\**(?:[ \t]*\([^()\n]{1,40}\))?[ \t]*"
_LINE = re.compile(
    r"(?:(?:^|\n)[ \t>*#]*(?:the[ \t]+)?(?:final[ \t]+)?|\bfinal[ \t]+)"
    rf"{_NAME}(?:is[ \t]*)?[:=]\**\s{{0,9}}",
    re.IGNORECASE,
)
_INLINE = re.compile(rf"\b{_NAME}(?:is\b[ \t]*:?|[:=])\**\s{{0,9}}", re.IGNORECASE)
_LEAD = re.compile(rf"^\W*(?:the\s+)?(?:final\s+)?{_NAME}(?:is\b|:)\s*:?", re.IGNORECASE)
_LAST_LINE = re.compile(r"(?:^|\n)[ \t]*A:[ \t]*+(?=[^\n]++\s*+$)")
_TURN = re.compile(r"<\|[a-z_]{1,20}\|>")
_BETWEEN = re.compile(r"(?:[\s$,;()\[\]\\]|and|quad|text|[{}])*")
_ANNOTATION = re.compile(r"<<[^<>]{0,200}>>")
_HAS_WORD = re.compile(r"\w")
_ANSWERS = re.compile(
    r"^[^.]{0,60}?\d|^[^\w.]*(?:\\|\(?[A-Z]\)?(?=\W|$)|(?i:yes|no|"
    + "|".join([*SMALL, *TENS])
    + r")\b)"
)
_COMPOUND = re.compile(r"\d[\d,.]{0,20}\s(?P<unit>[a-z]{1,12})\s(?:and\s)?$")
_SCALE = re.compile(
    r"\s*(?:percent|cents?|hundred|thousand|million|billion|trillion|dozens?"
    r"|(?:[a-z]+\s)?and\s(?:an?|one|two|three)\s(?:half|thirds?|quarters?|fourths?))\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\s(?=[Tt]he answer\b)|(?<=\w)\.(?=[A-Z])")


def answer_in(text: str) -> str | None:
    """The final answer of a reply; None if it has neither an answer nor any number.

    The last mark counts, of whatever kind; boxes side by side are one answer.
    """
    turn = _TURN.search(text)
    text = text[: turn.start()] if turn and text[: turn.start()].strip() else text
    found = max(filter(None, (_box(text), _marked(text), _told(text))), default=None)
    if found is None:
        found = _last(_INLINE, text)
    if found is not None and (answer := _tidied(found[1])):
        return answer
    return _last_number(text)


def _marked(text: str) -> tuple[int, str] | None:
    return max(filter(None, (_last(p, text) for p in (HASHES, _LINE, _LAST_LINE))), default=None)


def _told(text: str) -> tuple[int, str] | None:
    """The last "the answer is" that an answer follows, not a remark ("… is certain")."""
    return _last(_INLINE, text, _ANSWERS)


def _last_number(text: str) -> str | None:
    """The last number with its scale and half; None where it is denied or but a bound.

    Of a size in two units ("5 hours 30 minutes") both numbers are told.
    """
    numbers = list(NUMBER.finditer(text))
    if not numbers or is_hedged(text, numbers[-1].start(), numbers[-1].end()):
        return None
    start, end = numbers[-1].end() - len(numbers[-1][0].lstrip()), numbers[-1].end()
    scale = _SCALE.match(text, end)
    compound = _COMPOUND.search(text, max(0, start - MAX_ANSWER), start)
    if compound and compound["unit"] in UNITS:
        start = compound.start()
    return text[start : scale.end() if scale else end].strip()


def _last(
    mark: re.Pattern[str], text: str, follows: re.Pattern[str] = _HAS_WORD
) -> tuple[int, str] | None:
    """Where the last mark ends that this follows in its line, and the sentence behind it."""
    for start in reversed([match.end() for match in mark.finditer(text)]):
        line = text[start : start + MAX_ANSWER].partition("\n")[0]
        if follows.search(line):
            return start, _sentence(line)
    return None


def _sentence(line: str) -> str:
    """The line to the end of its first sentence, without calculator marks."""
    line = _ANNOTATION.sub("", line)
    end = _SENTENCE_END.search(line)
    return line[: end.start()] if end and line[: end.start()].strip() else line


def _box(text: str) -> tuple[int, str] | None:
    boxes = list(BOXED.finditer(text))
    if not boxes:
        return None
    together = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        if not _BETWEEN.fullmatch(text[box.end() : together[0].start()]):
            break
        together.insert(0, box)
    return together[-1].start(1), ", ".join(box[1].strip() for box in together)


def _tidied(answer: str) -> str:
    answer = _LEAD.sub("", answer)
    return answer.strip().strip("*").strip().strip("\"'“”").strip()
