"""Finds the names in a sentence: capitalised spans, acronyms and symbols, with their offsets."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice
from typing import Final

from graders.claims import STARTERS

_CAPITAL = r"(?:[A-Z][.](?:[A-Z][.])*|[^\W\d_a-z][^\W_]*(?:[-'’][^\W_]+)*)"
_SPAN = re.compile(
    rf"(?<![\w]){_CAPITAL}(?:\s+(?:(?:of|the|de|del|della|da|di|du|la|le|van|von|der|den|al|el|y|"
    rf"and the)\s+){{0,2}}{_CAPITAL})*"
)
_LOOSE: Final = frozenset("of the de del della da di du la le van von der den al el y and".split())
_COMMON: Final = STARTERS | frozenset(
    "above according across all along although another any anyone around because before "
    "behind below beneath besides between beyond both credit despite during each either even "
    "every everyone everybody few fewer first finally her here him his how i indeed industry "
    "its later less let life light like long me money music my nature near nearly never next "
    "nobody none nor not nothing of off on once only or other others our out over people "
    "perhaps please said second several she should similarly some someone something sometimes "
    "soon still such than thanks them themselves through thus together too under unlike until "
    "up upon us water well whatever where whether whoever why within without work yes yet "
    "your two three four five six seven eight nine ten half can could do does did has had "
    "have is was are were would will may might science history art chemistry physics math "
    "mathematics travel trade time today counting thesis essay student tutor problem solution "
    "answer exactly right correct gladly hello hi geography nobody modern ancient early late "
    "old new young great good more most many much".split()
)
_VERB: Final = re.compile(
    r"(?:['’]s)?\s+(?:also\s+|first\s+|once\s+)?(?:is|was|has|had|became|belongs|lies|melts|flows|"
    r"orbits|died|wrote|painted|composed|discovered|stands|joined|made|did|does|were|"
    r"rises|[a-z]+ed)\b"
)
_ROLE: Final = re.compile(r"\w+(?:er|or|ist|ian|ess|man|men|ers|ors|ists|ians|ly|s)", re.IGNORECASE)
_SCRIPTS: Final = frozenset("Latin Greek Roman Arabic Cyrillic".split())
_WRITING: Final = re.compile(r"\s+(?:names?|words?|letters?|alphabet|numerals?)\b")
_NAME_WORD: Final = re.compile(r"\b[^\W\d_a-z]\w{3,}")
_OPENS: Final = re.compile(r"(?:^|[.!?…\n])[\s\"'“”‘’)(]*\Z")
"""Before the first word of a sentence."""
NEARLY: Final = 0.75
"""Two words are nearly the same from this share of matching letters on (difflib's ratio)."""
MOST_NAMES: Final = 300
"""Of a source with more names the rest are not compared letter by letter: bounds the work."""
_ORDINARY: Final = re.compile(r"\w+(?:s|ing|ed|ly|ment|tion|ity|ness|ance|ence)")


@dataclass(frozen=True, slots=True)
class Name:
    """A name as the text writes it, without possessive; `exact` when its case matters ("He")."""

    text: str
    start: int
    exact: bool = False


def find_names(text: str, known: frozenset[str], source: str) -> Iterator[Name]:
    """The names of one sentence.

    A capitalised first word is a name unless it is an ordinary word. `known` are the source's
    words (folded): they decide where a span may be cut.
    """
    first = re.search(r"\w", text)
    opening = first.start() if first else 0
    for match in _SPAN.finditer(text):
        span, start = match[0], match.start()
        if start == opening or text[:start].rstrip()[-1:] in {"“", '"', ":"}:
            cut = _ordinary_lead(text, span, match.end(), known, source)
            span, start = span[cut:], start + cut
        yield from _names(text, span, start)


def name_spans(text: str) -> Iterator[str]:
    """Every longest capitalised span of a text, folded."""
    yield from (match[0].casefold() for match in _SPAN.finditer(text))


def _names(text: str, span: str, start: int) -> Iterator[Name]:
    span = re.sub(r"['’]s?$", "", span)
    if not span or span in ("I", "I'm", "I’m", "I'll", "I'd"):
        return
    words = [word for word in span.split() if word not in _LOOSE]
    if words and not (span in _SCRIPTS and _WRITING.match(text, start + len(span))):
        exact = len(words) == 1 and len(span) <= 3 and "." not in span
        yield Name(span, start, exact)


def _ordinary_lead(
    text: str, span: str, end: int, known: frozenset[str], source: str
) -> int:  # how many characters of the span are ordinary words
    words = [(m[0], m.start()) for m in re.finditer(r"\S+", span)]
    word = re.sub(r"['’]s?$", "", words[0][0])
    if len(words) > 1:
        rest = next((at for w, at in words[1:] if w not in _LOOSE), len(span))
        lead = word.casefold() in _COMMON or bool(_ROLE.fullmatch(word))
        return rest if lead and word.casefold() not in known else _common_cut(span, source, rest)
    lowered = word.casefold()
    if lowered in _COMMON:
        return len(span)
    if lowered in known or re.search(rf"\b{re.escape(lowered)}\b", text):
        return 0 if lowered in known else len(span)
    named = _VERB.match(text, end) or span != word
    ordinary = _ORDINARY.fullmatch(lowered) and not _nearly_a_name(word, source)
    return 0 if (named or _nearly_a_name(word, source)) and not ordinary else len(span)


def _nearly_a_name(word: str, source: str) -> bool:
    """Whether a word is a name of the source with a letter or two wrong (`Mainis`, `Hainis`)."""
    matcher = SequenceMatcher(None, "", word.casefold())
    for name in _name_words(source):
        if abs(len(name) - len(word)) > 2 or name.startswith(word) or word.startswith(name):
            continue
        matcher.set_seq1(name.casefold())
        if matcher.quick_ratio() >= NEARLY and matcher.ratio() >= NEARLY:
            return True
    return False


@lru_cache(maxsize=64)
def _name_words(source: str) -> Sequence[str]:
    return tuple(islice(dict.fromkeys(_NAME_WORD.findall(source)), MOST_NAMES))


def _common_cut(span: str, source: str, rest: int) -> int:
    """`In Spain` loses its `In`, unless the source itself writes a name with that word."""
    common = span.split(maxsplit=1)[0].casefold() in _COMMON
    return rest if common and not _is_name_in(span, source) else 0


def _is_name_in(span: str, source: str) -> bool:
    """Whether the source writes the span so where no sentence begins (`for On Golden Pond`)."""
    name = re.escape(re.sub(r"['’]s?$", "", span))
    return any(
        not _OPENS.search(source[max(0, found.start() - 8) : found.start()])
        for found in re.finditer(rf"(?<!\w){name}(?!\w)", source)
    )
