"""Reads a source once: its lines or sentences, and where its quantities, words and names stand.

What the rules of `graders.grounding` ask of a source is looked up here, never searched for.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeVar

from graders.claims import split_sentences
from graders.names import name_spans
from graders.quantities import Quantity, find_quantities
from graders.sized_cache import SizedCache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_LABEL = re.compile(r"\s*(?:[-*•]\s+)?(?P<label>[^\W\d_][^:.!?\n]{0,48}):\s+(?P<value>\S.*)")
_TOKEN = re.compile(r"\w+")
_NEGATION = re.compile(
    r"\b(?:not|never|no|neither|nor|none|nobody|nothing|cannot|\w+n['’]t)\b", re.IGNORECASE
)
_EXEMPT = re.compile(
    r"\b(?:not\s+(?:only|just|until|least)|no\s+(?:longer\s+than|less|fewer|more)|nothing\s+but|"
    r"no\s+doubt|no\s+wonder|(?:no|nobody|none|nothing|never|not)\b[^.;]{0,80}?\b(?:than|before|until|other|"
    r"except|besides|equals?|without))\b",
    re.IGNORECASE,
)
STOPWORDS: Final = frozenset(
    "a an the of in on at by to from for with and or but is was are were be been being has "
    "have had do does did it its he his him she her they their them this that these those "
    "which who whom whose what when where as into about over after before than then there "
    "here also one first very more most some any all each every no not so such only other can "
    "could may might will would called name named known kind place".split()
)
_SUFFIXES: Final = (
    "ations ation ings ing edly ed ers er ors or ies ions ion ists ist ment es ly al s y e".split()
)
_ISO_DATE = re.compile(r"\b\d{4}-(\d\d)-\d\d\b")
_MONTHS: Final = (
    "january february march april may june july august september october november december".split()
)
PRONOUNS: Final = (frozenset({"he", "him", "his"}), frozenset({"she", "her", "hers"}))

_STEM: Final = 7
_STEM_READS: Final = 24
"""A stem's letters, and how many of a word can decide them."""
LONGEST_TOKEN: Final = 3
"""Characters of the longest name that is looked up as it is written: `He` is no pronoun."""
_KEPT: Final = 1 << 26
_COST: Final = 60
"""Bytes of all the indexes that are kept, and of an index for each character of its source."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line or sentence of the source: `topic` are the stems that say what it is about.

    `place` counts the lines of the source; `value_stems` and `value_words` are empty where there
    is no label.
    """

    text: str
    start: int
    place: int
    label: str
    value: str
    topic: frozenset[str]
    stems: frozenset[str]
    value_stems: frozenset[str]
    value_words: tuple[str, ...]
    words: frozenset[str]
    quantities: tuple[Quantity, ...]
    negative: bool


Found = tuple[Quantity, Line]
Places = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """A source, read once: its lines, and by what they hold; words and names are folded.

    Each look-up gives places in `lines`, or quantities with their lines, in the order of the
    source. `weights` says how much a stem tells of a line: one over the number of lines about it,
    zero where nearly all are and where it is both a label and a value. Compared by identity:
    hashing a whole source for each look-up would cost more than the rules.
    """

    text: str
    lines: tuple[Line, ...]
    quantities: tuple[Found, ...]
    words: frozenset[str]
    names: frozenset[str]
    by_value: Mapping[Fraction, tuple[Found, ...]]
    by_measure: Mapping[tuple[str, Fraction], tuple[Found, ...]]
    by_word: Places
    by_token: Places
    by_stem: Places
    by_topic: Places
    weights: Mapping[str, float]
    decades: frozenset[int]
    centuries: frozenset[int]
    pronouns: frozenset[str]
    negative: bool


def index_source(text: str) -> Index:
    """Read a source; those read last are kept, up to a bound on their characters."""
    return _INDEXES.get(text)


def _read(text: str) -> Index:
    lines = tuple(_line(text, low, high, n) for n, (low, high) in enumerate(_spans(text)))
    quantities = tuple((q, line) for line in lines for q in line.quantities)
    by_topic = _places((line.topic, line) for line in lines)
    years = {int(q.value) for q, _ in quantities if q.yearlike}
    given = frozenset(line.value.casefold() for line in lines if line.label)
    told = [words for words in PRONOUNS if words & given]
    return Index(
        text=text,
        lines=lines,
        quantities=quantities,
        words=frozenset(word for line in lines for word in line.words),
        names=frozenset(name for line in lines for name in name_spans(line.value)),
        by_value=_grouped((q.value, (q, line)) for q, line in quantities),
        by_measure=_grouped(
            ((q.dimension, q.base), (q, line))
            for q, line in quantities
            if q.dimension is not None and q.base is not None
        ),
        by_word=_places((line.words, line) for line in lines),
        by_token=_places((_short_tokens(line.text), line) for line in lines),
        by_stem=_places((line.stems, line) for line in lines),
        by_topic=by_topic,
        weights=_weights(lines, by_topic),
        decades=frozenset(year // 10 * 10 for year in years),
        centuries=frozenset((year - 1) // 100 + 1 for year in years),
        pronouns=told[0] & given if len(told) == 1 else frozenset(),
        negative=any(line.negative for line in lines),
    )


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    prose: list[tuple[int, int]] = []
    for line in text.splitlines(keepends=True):
        label = _LABEL.match(line) if len(line) < 300 else None
        if label and len(split_sentences(label["value"])) <= 1:
            yield from _prose(text, prose)
            prose = []
            yield at, at + len(line.rstrip())
        else:
            prose.append((at, at + len(line)))
        at += len(line)
    yield from _prose(text, prose)


def _prose(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    if spans:
        low, high = spans[0][0], spans[-1][1]
        for sentence in split_sentences(text[low:high]):
            yield low + sentence.start, low + sentence.end


def _line(text: str, low: int, high: int, place: int) -> Line:
    body = text[low:high]
    match = _LABEL.fullmatch(body)
    label, value = (match["label"], match["value"]) if match else ("", body)
    return Line(
        text=body.strip(),
        start=low + len(body) - len(body.lstrip()),
        place=place,
        label=label,
        value=value,
        topic=frozenset(stems(label or body)),
        stems=frozenset(stems(body)),
        value_stems=frozenset(stems(value)) if label else frozenset(),
        value_words=tuple(words_of(value)) if label else (),
        words=frozenset(word.casefold() for word in words_of(body)) | _months(body),
        quantities=tuple(find_quantities(body)),
        negative=is_negative(body),
    )


def _months(text: str) -> set[str]:
    """The months of dates such as 1856-03-27, spelled out."""
    return {_MONTHS[int(m) - 1] for m in _ISO_DATE.findall(text) if 1 <= int(m) <= 12}


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    found: defaultdict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}


def _places(told: Iterable[tuple[Iterable[str], Line]]) -> Places:
    return _grouped((word, line.place) for words, line in told for word in words)


def _short_tokens(text: str) -> set[str]:
    return {token for token in _TOKEN.findall(text) if len(token) <= LONGEST_TOKEN}


def _weights(lines: Sequence[Line], by_topic: Places) -> dict[str, float]:
    values = {s for line in lines for s in line.value_stems}
    many = max(3.0, len(lines) / 2)
    return {s: 0.0 if len(at) >= many or s in values else 1 / len(at) for s, at in by_topic.items()}


def topic_scores(wording: Iterable[str], index: Index) -> dict[int, float]:
    """By place, what the lines that share a telling stem with this wording weigh."""
    scores: dict[int, float] = {}
    for word in sorted(wording):
        weight = index.weights.get(word, 0.0)
        for place in index.by_topic[word] if weight else ():
            scores[place] = scores.get(place, 0.0) + weight
    return scores


def most_shared(wording: Iterable[str], index: Index) -> Line | None:
    """The first of the lines that share most stems with this wording; None if none shares one."""
    shared = Counter(place for stem in wording for place in index.by_stem.get(stem, ()))
    if not shared:
        return None
    most = max(shared.values())
    return index.lines[min(place for place, count in shared.items() if count == most)]


def words_of(text: str) -> list[str]:
    """The words of a text without possessive endings."""
    return [re.sub(r"['’]s?$", "", word) for word in _WORD.findall(text)]


def stem(word: str) -> str:
    """A word cut so that discover, discovery and discovered meet."""
    return _stem(word.casefold()[:_STEM_READS])


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    for _ in range(2):
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= 4:
                word = word[: -len(suffix)]
                break
    return word[:_STEM]


def stems(text: str) -> set[str]:
    """The stems of the content words of a text, numbers left out."""
    words = (word.casefold() for word in words_of(text))
    return {stem(w) for w in words if w not in STOPWORDS and not w[0].isdigit() and len(w) > 2}


def is_negative(text: str) -> bool:
    """Whether a sentence denies; "not only", "nobody before", "no … higher than" do not."""
    return bool(_NEGATION.search(_EXEMPT.sub(" ", text)))


def negation_in(text: str) -> re.Match[str] | None:
    """The first word that may deny."""
    return _NEGATION.search(text)


_INDEXES: Final = SizedCache(_read, lambda index: _COST * len(index.text), _KEPT)
