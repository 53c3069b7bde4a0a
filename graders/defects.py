"""Defects that no further text can mend: once one is found in a text, every continuation has it.

That is what lets the streaming check abort a text early. Each search returns the offending span
as Evidence, or None.
"""

import re
from collections import Counter
from collections.abc import Iterator

from graders.invisible import find_hidden
from graders.types import Evidence

LOOP_TIMES = 4
LOOP_WORDS = 16
LONGEST_LOOP = 24
SAME_SENTENCE = 4
SENTENCE_WORDS = 5
RUN_TIMES = 10
RUN_CHARS = 24
HEAD_CHARS = 400
TAIL_CHARS = 1500

_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd\ufffe\uffff]")
_RUN = re.compile(rf"(\S{{1,20}}?)\1{{{RUN_TIMES - 1},}}")
_RULE = re.compile(r"[-_=*#.~|+:]+")
_THIS = r"(?:this|that|an?|the|your|any|on|about)\b"
_REFUSAL_START = re.compile(
    r"\s*+(?:(?:i['\u2019]m|i am)\s++(?:very\s++|so\s++)?sorry|sorry|i\s++apologi[sz]e"
    r"|unfortunately)?"
    r"[\s,.;:!]*+(?:but\s++)?(?:as an ai\b|as a (?:large )?language model\b|i(?:\s++"
    r"(?:can(?:['\u2019]t|not| not)|won['\u2019]t|am (?:not able|unable) to)"
    r"|['\u2019]m (?:not able|unable) to)\s++"
    r"(?:assist\b|comply\b|fulfil|provide\b|generate\b|help(?:\s++(?:you|with)\b|[.,!])"
    rf"|(?:answer|solve|write|create|produce|complete|discuss|do)\s++{_THIS}))",
    re.IGNORECASE,
)
_REFUSAL_ANYWHERE = re.compile(r"\bAs an AI (?:language )?(?:model|assistant)\b,? I\b")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n\s*")
_TOKEN = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]+")


def find_unreadable(text: str) -> Evidence | None:
    """A control character, a lone surrogate, the mark of bytes that were not UTF-8, or invisible
    characters inside a word."""
    match = _UNREADABLE.search(text)
    if match is not None:
        return _evidence(text, match.start(), match.end(), f"unreadable character {match[0]!a}")
    hidden = find_hidden(text)
    if hidden is None:
        return None
    marks = text[slice(*hidden)]
    return _evidence(text, *hidden, f"invisible character {marks[:1]!a} inside a word")


def find_refusal(text: str, start: int = 0) -> Evidence | None:
    """The model declines: at `start`, or in unmistakable words anywhere after it."""
    match = _REFUSAL_START.match(text, start) or _REFUSAL_ANYWHERE.search(text, start)
    if match is None:
        return None
    return _evidence(text, match.start(), match.end(), "the model refused")


def find_loop(text: str) -> Evidence | None:
    """The same words over and over, or the same characters without a space.

    Words: a sequence of up to 24, at least four times in a row, over at least 16 words.
    Characters: up to 20 of them, ten times in a row; ruled lines (`-----`) are let be.
    """
    tokens = [match.span() for match in _TOKEN.finditer(text)]
    for a, b in tokens:
        if b - a >= RUN_CHARS and (found := _find_run(text, a, b)):
            return found
    words = [text[a:b] for a, b in tokens]
    if not _may_loop(words):
        return None
    for period in range(1, min(LONGEST_LOOP, len(words) // LOOP_TIMES) + 1):
        cycle = _cycle(words, period)
        if cycle:
            span = tokens[cycle[0]][0], tokens[cycle[1] - 1][1]
            return _evidence(text, *span, _loop_reason(period))
    return None


def find_repeated_sentence(text: str) -> Evidence | None:
    """A sentence of five words or more that stands in the text four times."""
    sentences = list(_sentences(text + "\n"))
    if len(sentences) < SAME_SENTENCE:
        return None
    seen: Counter[str] = Counter()
    for start, end in sentences:
        if len(_LETTERS.findall(text, start, end)) < SENTENCE_WORDS:
            continue
        key = " ".join(text[start:end].casefold().split())
        seen[key] += 1
        if seen[key] == SAME_SENTENCE:
            return _evidence(text, start, end, f"the same sentence {SAME_SENTENCE} times")
    return None


def whole_words(text_so_far: str) -> str:
    """The text without its last word where that may still grow."""
    if not text_so_far or text_so_far[-1].isspace():
        return text_so_far
    return text_so_far[: len(text_so_far) - len(text_so_far.rsplit(maxsplit=1)[-1])]


def find_early(text: str) -> Evidence | None:
    """What the searches above would find in every continuation of a text of whole words.

    Loops and repeated sentences are looked for at its end only, which is where they appear.
    """
    head = text[:HEAD_CHARS].rsplit(maxsplit=1)
    return (
        find_unreadable(text)
        or (find_refusal(head[0]) if len(head) == 2 else None)
        or _find_loop_at_end(text)
        or _find_repeat_at_end(text)
    )


def _find_loop_at_end(text: str) -> Evidence | None:
    words = text[-TAIL_CHARS:].split()
    if len(text) > TAIL_CHARS:
        del words[:1]
    if words and len(words[-1]) >= RUN_CHARS:
        found = _find_run(words[-1], 0, len(words[-1]))
        if found:
            return Evidence(found.quote, found.reason)
    for period in range(1, min(LONGEST_LOOP, len(words) // LOOP_TIMES) + 1):
        needed = max(LOOP_TIMES * period, LOOP_WORDS)
        if len(words) >= needed and all(
            words[-n] == words[-n - period] for n in range(1, needed - period + 1)
        ):
            return Evidence(" ".join(words[-needed:]), _loop_reason(period))
    return None


def _find_repeat_at_end(text: str) -> Evidence | None:
    """Counts the last sentence as a string first; only where that is often enough, searches."""
    ended = text.rstrip()
    if ended == text or not (ended.endswith((".", "!", "?")) or "\n" in text[len(ended) :]):
        return None
    last = _SENTENCE_END.split(ended[-TAIL_CHARS:])[-1]
    if len(last.split()) < SENTENCE_WORDS or text.count(last) < SAME_SENTENCE:
        return None
    return find_repeated_sentence(text)


def _find_run(text: str, start: int, end: int) -> Evidence | None:
    if end - start < RUN_CHARS:
        return None
    for match in _RUN.finditer(text, start, end):
        if len(match[0]) >= RUN_CHARS and not _RULE.fullmatch(match[1]):
            return _evidence(text, *match.span(), f"loops: {match[1]!r} again and again")
    return None


def _loop_reason(period: int) -> str:
    what = "word" if period == 1 else f"{period} words"
    return f"loops: the same {what} {LOOP_TIMES} times or more in a row"


def _may_loop(words: list[str]) -> bool:
    """Whether enough words in a row are as frequent as those of a loop are: cheap, and sure."""
    times = Counter(words)
    run = 0
    for word in words:
        run = run + 1 if times[word] >= LOOP_TIMES else 0
        if run >= LOOP_WORDS:
            return True
    return False


def _cycle(words: list[str], period: int) -> tuple[int, int] | None:
    """The first stretch of words that repeats itself with this period, as indices [a, b)."""
    run = 0
    needed = max(LOOP_TIMES * period, LOOP_WORDS) - period
    for n in range(period, len(words)):
        run = run + 1 if words[n] == words[n - period] else 0
        if run >= needed:
            return n + 1 - run - period, n + 1
    return None


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of the sentences that have ended, each by a mark and white space or by a new line."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match.start() > start:
            yield start, match.start()
        start = match.end()


def _evidence(text: str, start: int, end: int, reason: str) -> Evidence:
    return Evidence(text[start:end], reason, start, end)
