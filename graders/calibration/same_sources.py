"""Tells which names stand for one source: those that share a text, or nearly the same one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

SKETCH, BUCKETS, ALIKE = 64, 8, 0.8
"""Hashes kept of a text's word triples, those of them that find its like, and how alike two
sketches must be for the texts to count as one (Jaccard similarity; bottom-k sketches of Broder
1997)."""
_NOT_WORD = re.compile(r"[\W_]+")


def same_sources(texts: Mapping[str, set[str]]) -> dict[str, str]:
    """From each name, with its texts, to the name that stands for its group."""
    joined = _Joined(texts)
    names: dict[str, str] = {}
    for name, versions in texts.items():
        for text in versions:
            words = plain(text)
            if words:
                joined.join(name, names.setdefault(words, name))
    for one, other in _alike(names):
        joined.join(one, other)
    return {name: joined.root(name) for name in texts}


def plain(text: str) -> str:
    """The words of a text: letters and digits, in lower case, one space between them."""
    return _NOT_WORD.sub(" ", text).casefold().strip()


class _Joined:
    """Names in groups; joining two joins their groups."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}

    def root(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = name = self._parent[self._parent[name]]
        return name

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first


def _alike(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of names whose texts are nearly the same; `names` maps plain texts to names."""
    buckets: dict[int, list[tuple[str, frozenset[int]]]] = {}
    for text, name in names.items():
        smallest = sorted(_triples(text))[:SKETCH]
        sketch = frozenset(smallest)
        for key in smallest[:BUCKETS]:
            bucket = buckets.setdefault(key, [])
            yield from ((name, other) for other, s in bucket if _similarity(sketch, s) >= ALIKE)
            bucket.append((name, sketch))


def _similarity(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard similarity of two sets, from their smallest hashes."""
    union = frozenset(sorted(one | other)[:SKETCH])
    return len(union & one & other) / len(union)


def _triples(text: str) -> set[int]:
    words = text.split()
    return {
        int.from_bytes(blake2b(" ".join(words[n : n + 3]).encode(), digest_size=8).digest())
        for n in range(max(1, len(words) - 2))
    }
