"""Shares the time that something is busy among those who keep it busy, so that the parts add up."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar


class BusyTime:
    """At every moment each request in flight gets an equal part, so that the parts add up.

    This is the virtual time of processor sharing: Parekh and Gallager 1993, section II.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._in_flight = 0
        self._share = 0.0
        self._at = clock()

    @contextmanager
    def request(self) -> Iterator["Part"]:
        """Around one request; its part, when called, tells the seconds so far."""
        part = Part(self)
        with part.present():
            yield part

    def change(self, by: int = 0) -> float:
        """Let so many more take part from now on; the part of one who always did, in seconds."""
        now = self._clock()
        if self._in_flight:
            self._share += (now - self._at) / self._in_flight
        self._at = now
        self._in_flight += by
        return self._share


class Part:
    """One request's part of the busy time, in seconds."""

    def __init__(self, whole: BusyTime) -> None:
        self._whole = whole
        self._kept = self._entered = 0.0
        self._away = 1

    def __call__(self) -> float:
        return self._kept if self._away else self._kept + self._whole.change() - self._entered

    @contextmanager
    def present(self) -> Iterator[None]:
        """Within this the request has its part."""
        self._return()
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Around a wait for something else, within `present`; several may overlap."""
        self._leave()
        try:
            yield
        finally:
            self._return()

    def _return(self) -> None:
        self._away -= 1
        if not self._away:
            self._entered = self._whole.change(1)

    def _leave(self) -> None:
        if not self._away:
            self._kept += self._whole.change(-1) - self._entered
        self._away += 1


_GRADERS = BusyTime()
_at_work: ContextVar[Part | None] = ContextVar("_at_work", default=None)


@contextmanager
def at_work() -> Iterator[Part]:
    """Around a grader's work; its part of the time that graders of this process are at work."""
    with _GRADERS.request() as part:
        token = _at_work.set(part)
        try:
            yield part
        finally:
            _at_work.reset(token)


def waiting_for_model() -> AbstractContextManager[None]:
    """Around a model's answer: the grader that waits for it, if one does, is not at work."""
    part = _at_work.get()
    return part.away() if part else nullcontext()
