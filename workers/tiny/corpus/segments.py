"""Splits text into sentences with offsets, minding labels, initials, abbreviations and decimals."""

import re
from collections.abc import Iterator, Set
from typing import Final

from workers.tiny.corpus import phrases

BREAK: Final = re.compile(r"[.!?][\"'\u201d\u2019)]*(?=\s|$)")
LABEL: Final = re.compile("|".join(re.escape(x.strip()) + r"\s*" for x in phrases.LABELS))
INITIAL: Final = re.compile(r"(?:^|[\s(])[A-Z]\.$")


def ends_here(before: str, after: str, starters: Set[str]) -> bool:
    """Whether the mark at the end of `before` ends a sentence."""
    if not after.strip() or not before.endswith("."):
        return True
    following = after.split(maxsplit=1)[0]
    if INITIAL.search(before):
        return following.strip(",.'").casefold() in starters
    last = before[:-1].rsplit(maxsplit=1)[-1].casefold() if before[:-1].strip() else ""
    if last.lstrip("(") in phrases.ABBREVIATIONS:
        return following.strip(",.'").casefold() in starters
    return not following[0].islower()


def sentences(text: str, starters: Set[str]) -> Iterator[tuple[str, int, int]]:
    """Each sentence with its start and end in the text; a label before a line is left out."""
    for line in re.finditer(r"[^\n]+", text):
        start, content = line.start(), line.group()
        if label := LABEL.match(content.lstrip()):
            start += len(content) - len(content.lstrip()) + label.end()
        for mark in BREAK.finditer(text, start, line.end()):
            before, after = text[start : mark.end()], text[mark.end() : line.end()]
            if ends_here(before, after, starters):
                yield trimmed(text, start, mark.end())
                start = mark.end()
        if text[start : line.end()].strip():
            yield trimmed(text, start, line.end())


def trimmed(text: str, start: int, end: int) -> tuple[str, int, int]:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return piece.strip(), start, start + len(piece.strip())
