"""Keeps what was made of texts, those used last, as long as all of it fits in so many bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SizedCache(Generic[T]):
    """`get` makes what it does not hold. Safe to share; two threads may make the same at once.

    `size` estimates the bytes of what was made; one that is larger than `most` is not kept.
    """

    def __init__(self, make: Callable[[str], T], size: Callable[[T], int], most: int) -> None:
        self._make, self._size, self._most = make, size, most
        self._kept: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0

    def get(self, text: str) -> T:
        """What `make` makes of a text. Raises as `make` does."""
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text][0]
        made = self._make(text)
        self._keep(text, made, self._size(made))
        return made

    @property
    def bytes(self) -> int:
        """The estimate for all that is kept."""
        return self._bytes

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _keep(self, text: str, made: T, size: int) -> None:
        with self._lock:
            if size > self._most or text in self._kept:
                return
            self._kept[text] = (made, size)
            self._bytes += size
            while self._bytes > self._most:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed
