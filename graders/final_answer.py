"""Finds the final answer of a reply: its box, `####`, `Answer:`, "the answer is" or last number."""

import re
from typing import Final

MAX_ANSWER: Final = 400
"""Characters of an answer line that are looked at."""

BOXED = re.compile(r"\\f?boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
HASHES = re.compile(r"(?<!#)####[ \t]*+(?=[^\n])")
NUMBER = re.compile(r"-?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?\s?%?")
_NAME = r"answer\**(?:[ \t]*\([^()\n]{1,40}\))?[ \t]*"
_LINE = re.compile(
    r"(?:(?:^|\n)[ \t>*#]*(?:the[ \t]+)?(?:final[ \t]+)?|\bfinal[ \t]+)"
    rf"{_NAME}(?:is[ \t]*)?[:=]\**\s{{0,9}}",
    re.IGNORECASE,
)
_INLINE = re.compile(rf"\b{_NAME}(?:is\b[ \t]*:?|[:=])\**\s{{0,9}}", re.IGNORECASE)
_LEAD = re.compile(rf"^\W*(?:the\s+)?(?:final\s+)?{_NAME}(?:is\b|:)\s*:?", re.IGNORECASE)
_LAST_LINE = re.compile(r"(?:^|\n)[ \t]*A:[ \t]*(?=[^\n]+\s*$)")
_TURN = re.compile(r"<\|[a-z_]{1,20}\|>")
_BETWEEN = re.compile(r"(?:[\s$,;()\[\]\\]|and|quad|text|[{}])*")
_ANNOTATION = re.compile(r"<<[^<>]{0,200}>>")
_HAS_WORD = re.compile(r"\w")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\s(?=[Tt]he answer\b)|(?<=\w)\.(?=[A-Z])")


def answer_in(text: str) -> str | None:
    """The final answer of a reply; None if it has neither an answer nor any number.

    The last of its boxes, `####` and `Answer:` lines counts; boxes side by side are one answer.
    """
    turn = _TURN.search(text)
    text = text[: turn.start()] if turn and text[: turn.start()].strip() else text
    found = max(filter(None, (_box(text), _marked(text))), default=None)
    if found is None and (inline := _last(_INLINE, text)):
        found = inline
    if found is not None and (answer := _tidied(found[1])):
        return answer
    numbers = NUMBER.findall(text)
    return numbers[-1].strip() if numbers else None


def _marked(text: str) -> tuple[int, str] | None:
    return max(filter(None, (_last(p, text) for p in (HASHES, _LINE, _LAST_LINE))), default=None)


def _last(mark: re.Pattern[str], text: str) -> tuple[int, str] | None:
    """Where the last mark with anything behind it ends, and the sentence that follows."""
    for start in reversed([match.end() for match in mark.finditer(text)]):
        line = text[start : start + MAX_ANSWER].partition("\n")[0]
        if _HAS_WORD.search(line):
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
