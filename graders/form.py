"""Is the text whole and readable? Also the streaming check that aborts a doomed text early."""

import asyncio
import re
from collections.abc import Callable, Sequence

from graders.config import FormConfig
from graders.defects import (
    find_early,
    find_loop,
    find_refusal,
    find_repeated_sentence,
    find_unreadable,
    whole_words,
)
from graders.language import wrong_language
from graders.types import Candidate, Evidence, Grade

_WORD = re.compile(r"\w+")
PAUSE_EVERY = 16
"""Texts that are judged before others on the event loop get their turn."""
GRAM = 4
MIN_REPETITION_WORDS = 40


class FormGrader:
    """Scores 1.0, or 0.0 with every defect it found as evidence."""

    name = "form"
    version = "1"

    def __init__(self, config: FormConfig | None = None) -> None:
        self.config = config or FormConfig()

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate; form can always be judged."""
        grades = []
        for candidate in candidates:
            grades.append(self.judge(candidate))
            if len(grades) % PAUSE_EVERY == 0:
                await asyncio.sleep(0)  # others use this event loop
        return grades

    def judge(self, candidate: Candidate) -> Grade:
        """One candidate's grade, without waiting."""
        defects = tuple(self._defects(candidate))
        return Grade(self.name, self.version, 0.0 if defects else 1.0, defects)

    def early_abort(self, text_so_far: str) -> str | None:
        """Why no continuation of this text can pass, or None while one still may.

        Reads whole words only, and looks for loops at the end of the text alone: called every
        few tokens it costs microseconds, and two scans of the text at the speed of `re`.
        """
        found = self._too_long(text_so_far) or find_early(whole_words(text_so_far))
        return found.reason if found else None

    def _defects(self, candidate: Candidate) -> list[Evidence]:
        """Defects in order of weight; what makes the rest meaningless stands alone."""
        text = candidate.text
        if not text.strip():
            return [Evidence("", "the text is empty", 0, 0)]
        if long := self._too_long(text):
            return [long]
        searches: tuple[Callable[[str], Evidence | None], ...] = (
            find_unreadable,
            find_refusal,
            find_loop,
            find_repeated_sentence,
            self._repetition,
        )
        found = [evidence for search in searches if (evidence := search(text))]
        found += self._refusal_in_body(candidate) if not found else []
        found += _unfinished(candidate)
        if candidate.malformed is not None:
            found.append(Evidence(text[:80], candidate.malformed, 0, min(len(text), 80)))
        found += self._too_short(candidate)
        found += self._wrong_language(candidate)
        return found

    def _too_long(self, text: str) -> Evidence | None:
        limit = self.config.max_chars
        if len(text) <= limit:
            return None
        reason = f"too long: over {limit:,} characters"
        return Evidence(text[limit : limit + 40], reason, limit, min(len(text), limit + 40))

    def _too_short(self, candidate: Candidate) -> list[Evidence]:
        words = len(_WORD.findall(candidate.text))
        answers = candidate.question is not None or candidate.gold is not None
        least = 1 if answers else self.config.min_words
        if words >= least:
            return []
        reason = f"too short: {words} word(s), at least {least} wanted"
        return [Evidence(candidate.text[:80], reason, 0, min(len(candidate.text), 80))]

    def _repetition(self, text: str) -> Evidence | None:
        """Share of n-grams seen before: Rae et al. 2021 (Gopher), appendix A.1.1."""
        words = [word.casefold() for word in _WORD.findall(text)]
        if len(words) < MIN_REPETITION_WORDS:
            return None
        grams = list(zip(*(words[n:] for n in range(GRAM)), strict=False))
        share = (len(grams) - len(set(grams))) / len(grams)
        if share <= self.config.max_repetition:
            return None
        spans = [match.span() for match in _WORD.finditer(text)]
        first = _first_repeat(grams)
        start, end = spans[first][0], spans[first + GRAM - 1][1]
        return Evidence(text[start:end], f"repeats itself: {share:.0%} said before", start, end)

    def _refusal_in_body(self, candidate: Candidate) -> list[Evidence]:
        at = candidate.text.find(candidate.body) if candidate.body.strip() else -1
        found = find_refusal(candidate.text, at) if at > 0 else None
        return [found] if found else []

    def _wrong_language(self, candidate: Candidate) -> list[Evidence]:
        if self.config.language is None:
            return []
        source = candidate.source.text if candidate.source else candidate.question or ""
        reason = wrong_language(candidate.text, self.config.language, source)
        text = candidate.text
        return [Evidence(text[:80], reason, 0, min(len(text), 80))] if reason else []


def _first_repeat(grams: Sequence[tuple[str, ...]]) -> int:
    """Where the first stands that stood there before; there must be one."""
    first_at: dict[tuple[str, ...], int] = {}
    return next(n for n, gram in enumerate(grams) if first_at.setdefault(gram, n) != n)


def _unfinished(candidate: Candidate) -> list[Evidence]:
    reasons = {"length": "cut off at the token limit", "aborted": "aborted while being written"}
    reason = reasons.get(candidate.finish_reason)
    end = len(candidate.text)
    start = max(0, end - 60)
    return [Evidence(candidate.text[start:], reason, start, end)] if reason else []
