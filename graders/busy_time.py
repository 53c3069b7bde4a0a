"""Shares the time that something is busy among those who keep it busy, so that the parts add up."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from typing import Self


class BusyTime:
    """At every moment each request in flight gets an equal part, so that the parts add up.

    This is the virtual time of processor sharing: Parekh and Gallager 1993, section II.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._in_flight = 0
        self._share = 0.0
        self._at = clock()

    def request(self) -> "Part":
        """Enter it around one request; called, it tells the seconds so far."""
        return Part(self)

    def change(self, by: int = 0) -> float:
        """Let so many more take part from now on; the part of one who always did, in seconds."""
        now = self._clock()
        if self._in_flight:
            self._share += (now - self._at) / self._in_flight
        self._at = now
        self._in_flight += by
        return self._share


class Part:
    """One request's part of the busy time, in seconds, as long as it is entered.

    All in this file are entered for every candidate, several times: generators would cost more
    than what they do.
    """

    def __init__(self, whole: BusyTime) -> None:
        self._whole = whole
        self._kept = self._entered = 0.0
        self._away = 1

    def __call__(self) -> float:
        return self._kept if self._away else self._kept + self._whole.change() - self._entered

    def __enter__(self) -> Self:
        self.back()
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    def away(self) -> "_Away":
        """Enter it around a wait for something else; several may overlap."""
        return _Away(self)

    def back(self) -> None:
        """It takes part again, if this is the end of its last wait."""
        self._away -= 1
        if not self._away:
            self._entered = self._whole.change(1)

    def leave(self) -> None:
        """It takes no part until it is back as often as it left."""
        if not self._away:
            self._kept += self._whole.change(-1) - self._entered
        self._away += 1


class _Away:
    def __init__(self, part: Part) -> None:
        self._part = part

    def __enter__(self) -> None:
        self._part.leave()

    def __exit__(self, *error: object) -> None:
        self._part.back()


_GRADERS = BusyTime()
_at_work: ContextVar[Part | None] = ContextVar("_at_work", default=None)


class AtWork:
    """Around a grader's work; its part of the time that graders of this process are at work."""

    def __init__(self) -> None:
        self._part = _GRADERS.request()
        self._token: Token[Part | None] | None = None

    def __enter__(self) -> Part:
        self._token = _at_work.set(self._part)
        self._part.back()
        return self._part

    def __exit__(self, *error: object) -> None:
        self._part.leave()
        if self._token is not None:
            _at_work.reset(self._token)


def waiting_for_model() -> AbstractContextManager[None]:
    """Around a model's answer: the grader that waits for it, if one does, is not at work."""
    part = _at_work.get()
    return part.away() if part else nullcontext()
