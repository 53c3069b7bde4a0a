"""The rules that hold a claim against its source: numbers, units, names, topic and negation.

They abstain (support) where wording shares nothing with the source, so that paraphrase passes.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from graders.arithmetic import Equation, find_equations
from graders.claims import Claim, split_sentences
from graders.names import Name, find_names, name_spans
from graders.quantities import Quantity, find_quantities

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_LABEL = re.compile(r"\s*(?:[-*•]\s+)?(?P<label>[^\W\d_][^:.!?\n]{0,48}):\s+(?P<value>\S.*)")
_NEGATION = re.compile(
    r"\b(?:not|never|no|neither|nor|none|nobody|nothing|cannot|\w+n['’]t)\b", re.IGNORECASE
)
_EXEMPT = re.compile(
    r"\b(?:not\s+(?:only|just|until|least)|no\s+(?:longer\s+than|less|fewer|more)|nothing\s+but|"
    r"no\s+doubt|no\s+wonder|(?:no|nobody|none|nothing|never|not)\b[^.;]{0,80}?\b(?:than|before|until|other|"
    r"except|besides|equals?|without))\b",
    re.IGNORECASE,
)
MAX_QUANTITIES: Final = 60
"""The most distinct numbers that one claim may hold: bounds the work on hostile text."""

MAX_CHARS: Final = 2000
"""The longest sentence that is read as one claim, for the same reason."""

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
_CLAUSE = re.compile(r",\s+|;\s+|\s+(?:and|while|but|which|who|whose)\s+")
_YEAR_CUE = re.compile(r"\b(?:in|since|from|until|by|of|year|before|after|around)\s*$", re.I)
_PLACE_CUE = re.compile(r"\b(?:in|at|from|near|on|to|through|across)\s+(?:the\s+)?$", re.I)
_PLACE_LABEL = re.compile(
    r"\b(?:in|at|place|city|town|country|continent|birthplace|born|location|located|capital|"
    r"region|state|source|mouth|home|range|ocean|sea|river|lake)\b", re.I
)  # fmt: skip
_ISO_DATE = re.compile(r"\b\d{4}-(\d\d)-\d\d\b")
_MONTHS: Final = (
    "january february march april may june july august september october november december".split()
)
_PRONOUNS: Final = (frozenset({"he", "him", "his"}), frozenset({"she", "her", "hers"}))
_COPULA = re.compile(r"\b(?:is|was|are|were|came|comes)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line or sentence of the source: `topic` are the stems that say what it is about."""

    text: str
    start: int
    label: str
    value: str
    topic: frozenset[str]
    stems: frozenset[str]
    words: frozenset[str]
    quantities: tuple[Quantity, ...]
    negative: bool


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """A source, read once: its lines, and all their quantities, words and names (folded).

    Compared by identity: hashing a whole source for each look-up would cost more than the rules.
    """

    text: str
    lines: tuple[Line, ...]
    quantities: tuple[tuple[Quantity, Line], ...]
    words: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """Words of a claim that the source does not support; offsets in the claim's text."""

    quote: str
    start: int
    reason: str
    line: Line | None = None


@lru_cache(maxsize=256)
def index_source(text: str) -> Index:
    """Read a source; the last 256 distinct ones are kept."""
    lines = tuple(_line(text, low, high) for low, high in _spans(text))
    quantities = tuple((q, line) for line in lines for q in line.quantities)
    words = frozenset(word for line in lines for word in line.words)
    names = frozenset(name for line in lines for name in name_spans(line.value))
    return Index(text, lines, quantities, words, names)


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


def _line(text: str, low: int, high: int) -> Line:
    body = text[low:high]
    match = _LABEL.fullmatch(body)
    label, value = (match["label"], match["value"]) if match else ("", body)
    return Line(
        text=body.strip(),
        start=low + len(body) - len(body.lstrip()),
        label=label,
        value=value,
        topic=frozenset(stems(label or body)),
        stems=frozenset(stems(body)),
        words=frozenset(word.casefold() for word in words_of(body)) | _months(body),
        quantities=tuple(find_quantities(body)),
        negative=is_negative(body),
    )


def _months(text: str) -> set[str]:
    """The months of dates such as 1856-03-27, spelled out."""
    return {_MONTHS[int(m) - 1] for m in _ISO_DATE.findall(text) if 1 <= int(m) <= 12}


def nearest_line(text: str, index: Index) -> Line | None:
    """The line of the source that shares most with a claim; None if none shares anything."""
    wording = stems(text)
    numbers = {q.value for q in find_quantities(text)}

    def shared(line: Line) -> float:
        values = sum(1 for q in line.quantities if q.value in numbers)
        return len(wording & line.stems) + 2 * values

    best = max(index.lines, key=shared, default=None)
    return best if best is not None and shared(best) else None


def words_of(text: str) -> list[str]:
    """The words of a text without possessive endings."""
    return [re.sub(r"['’]s?$", "", word) for word in _WORD.findall(text)]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word cut so that discover, discovery and discovered meet."""
    word = word.casefold()
    for _ in range(2):
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= 4:
                word = word[: -len(suffix)]
                break
    return word[:7]


def stems(text: str) -> set[str]:
    """The stems of the content words of a text, numbers left out."""
    words = (word.casefold() for word in words_of(text))
    return {stem(w) for w in words if w not in STOPWORDS and not w[0].isdigit() and len(w) > 2}


def is_negative(text: str) -> bool:
    """Whether a sentence denies; "not only", "nobody before", "no … higher than" do not."""
    return bool(_NEGATION.search(_EXEMPT.sub(" ", text)))


def check_claim(claim: Claim, index: Index, computed: frozenset[Fraction]) -> list[Finding]:
    """Everything in a claim that the source does not support, in order of the text.

    `computed` are results of sound equations of the text, which count as supported numbers.
    """
    if len(claim.text) > MAX_CHARS:
        return [Finding(claim.text[:80], 0, f"a sentence of over {MAX_CHARS} characters")]
    findings = [*_wrong_equations(find_equations(claim.text))]
    quantities = [q for q in find_quantities(claim.text) if not _idle(q, claim.text)]
    names = list(find_names(claim.text, index.words, index.text))
    findings += _numbers(claim.text, quantities, index, computed)
    findings += _names(claim.text, names, index)
    if claim.mood == "statement" and not findings:
        findings += _labels(claim.text, index)
        findings += _polarity(claim.text, index)
        findings += _pronoun(claim.text, index)
    return sorted(findings, key=lambda finding: finding.start)


def _wrong_equations(equations: Sequence[Equation]) -> Iterator[Finding]:
    for equation in equations:
        if not equation.holds:
            right = "undefined" if equation.value is None else str(equation.value)
            reason = f"the left side comes to {right}, not {equation.result.text}"
            yield Finding(equation.text, equation.start, reason)


def _idle(quantity: Quantity, text: str) -> bool:
    """Whether a number word counts nothing: "one of", "at first", "the two"."""
    if not quantity.spelled:
        return False
    before = text[: quantity.start].rstrip().rpartition(" ")[2].lower()
    return (
        0 <= quantity.value <= 1
        or quantity.text.lower() == "second"
        or before in ("these", "those")
        or (quantity.value == 2 and before == "the")
    )


def _numbers(
    text: str, quantities: Sequence[Quantity], index: Index, computed: frozenset[Fraction]
) -> Iterator[Finding]:
    distinct = {(q.value, q.dimension, q.ordinal, q.decade): q for q in reversed(quantities)}
    if len(distinct) > MAX_QUANTITIES:
        yield Finding(text[:80], 0, f"more than {MAX_QUANTITIES} numbers in one claim")
        return
    for quantity in distinct.values():
        if quantity.value in computed or _in_period(quantity, text, index):
            continue
        lines = [(q, line) for q, line in index.quantities if _same(quantity, q)]
        if not lines:
            yield _missing(quantity, index)
            continue
        yield from _misplaced_year(text, quantity, lines)
        here = [line for _, line in lines]
        clause = _clause(text, quantity.start, quantity.end)
        spoken = find_quantities(clause)
        rivals = [
            line
            for q, line in index.quantities
            if line not in here and _same_sort(quantity, q)
            and not any(_same(other, q) for other in spoken)
        ]  # fmt: skip
        rival = _better(clause, here, rivals, index)
        if rival is not None:
            reason = f"the source says {rival.text!r}"
            yield Finding(quantity.text, quantity.start, reason, rival)


def _missing(quantity: Quantity, index: Index) -> Finding:
    for found, line in index.quantities:
        if found.value == quantity.value:
            reason = f"the unit of {quantity.text} differs: the source says {line.text!r}"
            return Finding(quantity.text, quantity.start, reason, line)
    reason = f"{quantity.text} does not occur in the source"
    return Finding(quantity.text, quantity.start, reason)


def _same(claimed: Quantity, found: Quantity) -> bool:
    """Equal in value, and in unit where both have one; 4.5 km and 4500 m are the same."""
    if claimed.dimension and found.dimension:
        return claimed.dimension == found.dimension and claimed.base == found.base
    return claimed.value == found.value


def _same_sort(one: Quantity, other: Quantity) -> bool:
    if one.dimension or other.dimension:
        return one.dimension == other.dimension
    return one.yearlike == other.yearlike


def _in_period(quantity: Quantity, text: str, index: Index) -> bool:
    """`the 18th century` and `the 1890s` hold when a year of the source lies in them."""
    years = [int(q.value) for q, _ in index.quantities if q.yearlike]
    if quantity.decade:
        return any(year // 10 * 10 == quantity.value for year in years)
    if quantity.ordinal and re.match(r"[\s-]+century", text[quantity.end :]):
        return any((year - 1) // 100 + 1 == quantity.value for year in years)
    return False


def _misplaced_year(
    text: str, quantity: Quantity, lines: Sequence[tuple[Quantity, Line]]
) -> Iterator[Finding]:
    if not quantity.yearlike or not _YEAR_CUE.search(text[: quantity.start]):
        return
    following = text[quantity.end :].strip()[:1]
    measured = all(q.dimension and q.dimension != "months" for q, _ in lines)
    if measured and (not following or not following.isalnum()):
        line = lines[0][1]
        reason = f"{quantity.text} is no year: the source says {line.text!r}"
        yield Finding(quantity.text, quantity.start, reason, line)


def _clause(text: str, start: int, end: int) -> str:
    """The clause around text[start:end]; the whole text if the clause has no wording."""
    low, high = 0, len(text)
    for match in _CLAUSE.finditer(text):
        if match.end() <= start:
            low = match.end()
        elif match.start() >= end:
            high = match.start()
            break
    clause = text[low:high]
    return clause if len(words_of(clause)) > 3 else text


def _better(clause: str, here: Sequence[Line], rivals: Sequence[Line], index: Index) -> Line | None:
    """The rival line that the wording is clearly about, when it is about none of `here`."""
    if not rivals:
        return None
    wording = stems(clause)
    weight = _weights(index)
    value_stems = {s for line in here if line.label for s in stems(line.value)}

    def score(line: Line) -> float:
        return sum(weight.get(s, 0.0) for s in wording & line.topic if s not in value_stems)

    best_here = max(score(line) for line in here)
    best = max(rivals, key=score)
    margin = 1.0 if best.label else 2.0
    clear = score(best) >= margin / 2 and (best_here == 0 or score(best) > 1.9 * best_here)
    return best if clear and (best.label or best_here == 0) else None


@lru_cache(maxsize=256)
def _weights(index: Index) -> dict[str, float]:
    """Weight of a stem: one over the number of lines about it.

    Zero if nearly all have it, and where it is both a label and a value: it decides nothing.
    """
    values = {s for line in index.lines if line.label for s in stems(line.value)}
    counts = Counter(s for line in index.lines for s in line.topic)
    many = max(3.0, len(index.lines) / 2)
    return {s: 0.0 if n >= many or s in values else 1 / n for s, n in counts.items()}


def _names(text: str, names: Sequence[Name], index: Index) -> Iterator[Finding]:
    for name in names:
        lines = [line for line in index.lines if _has_name(line, name)]
        if not lines and _two_names(name, index):
            continue
        if not lines:
            reason = f"{name.text} does not occur in the source"
            yield Finding(name.text, name.start, reason, _rival_of_missing(text, name, index))
            continue
        rival = _other_holder(text, name, lines, index)
        if rival is not None:
            yield Finding(name.text, name.start, f"the source says {rival.text!r}", rival)


def _two_names(name: Name, index: Index) -> bool:
    """Whether two whole names of the source merely stand side by side."""
    words = name.text.casefold().split()
    splits = ((" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words)))
    return any(one in index.names and other in index.names for one, other in splits)


def _rival_of_missing(text: str, name: Name, index: Index) -> Line | None:
    wording = stems(_clause(text, name.start, name.start + len(name.text)))
    weight = _weights(index)
    ranked = [
        (sum(weight.get(s, 0.0) for s in wording & line.topic), -line.start) for line in index.lines
    ]
    if not ranked or max(ranked)[0] < 0.5:
        return None
    return index.lines[ranked.index(max(ranked))]


def _has_name(line: Line, name: Name) -> bool:
    if name.exact:
        return re.search(rf"(?<!\w){re.escape(name.text)}(?!\w)", line.text) is not None
    return all(word.casefold() in line.words for word in words_of(name.text))


def _other_holder(text: str, name: Name, here: Sequence[Line], index: Index) -> Line | None:
    """A labelled line that the clause is about and that holds another name than the claim's."""
    if any(not line.label for line in here) or any(line is index.lines[0] for line in here):
        return None
    clause = _clause(text, name.start, name.start + len(name.text))
    placed = bool(_PLACE_CUE.search(text[: name.start]))
    lowered = clause.casefold()
    rivals = [
        line
        for line in index.lines[1:]
        if line.label and line not in here and line.value[:1].isupper() and not line.quantities
        and not any(w.casefold() in lowered for w in words_of(line.value) if len(w) > 2)
        and (not placed or _PLACE_LABEL.search(line.label))
    ]  # fmt: skip
    return _better(clause, here, rivals, index)


def _labels(text: str, index: Index) -> Iterator[Finding]:
    """`its main use is …` must say what the line `Main use: …` says."""
    copula = _COPULA.search(text)
    if copula is None:
        return
    subject, wording = stems(text[: copula.start()]), stems(text)
    numbers = {q.value for q in find_quantities(text)}
    rest = words_of(text[: copula.start()])
    for line in index.lines[1:]:
        if not line.label or not line.topic or not line.topic <= subject:
            continue
        last = [w for w in words_of(line.label) if w.casefold() not in STOPWORDS][-1:]
        if not last or not rest or stem(last[0]) not in {stem(w) for w in rest[-8:]}:
            continue
        values = stems(line.value)
        words = {w for w in words_of(line.value) if w not in STOPWORDS}
        said = words & set(words_of(text))
        held = values & wording or said or numbers & {q.value for q in line.quantities}
        twin = any(o is not line and o.topic & line.topic for o in index.lines)
        if not held and not twin:
            at = copula.end() + 1
            yield Finding(text[at:].rstrip("."), at, f"the source says {line.text!r}", line)
            return


def _pronoun(text: str, index: Index) -> Iterator[Finding]:
    """`she` of someone for whom a labelled line says `he`, or the other way round.

    Prose is left alone: it may speak of several people.
    """
    given = frozenset(line.value.casefold() for line in index.lines if line.label)
    told = [words for words in _PRONOUNS if words & given]
    if len(told) != 1:
        return
    for match in _WORD.finditer(text):
        word = match[0].casefold()
        if word not in told[0] and any(word in words for words in _PRONOUNS):
            said = min(told[0] & given)
            yield Finding(match[0], match.start(), f"the source says {said!r}")
            return


def _polarity(text: str, index: Index) -> Iterator[Finding]:
    wording = stems(text)
    if not wording or not index.lines:
        return
    negative = is_negative(text)
    if not negative and not any(line.negative for line in index.lines):
        return
    best = max(index.lines, key=lambda line: len(wording & line.stems))
    shared = wording & best.stems
    weight = _weights(index)
    told = sum(1 for s in shared if weight.get(s, 1.0))
    if best.negative == negative or not told or len(shared) < (1 if best.label else 3):
        return
    match = _NEGATION.search(text)
    start, quote = (match.start(), match[0]) if negative and match else (0, text)
    said = "the claim denies what" if negative else "the claim asserts what"
    yield Finding(quote, start, f"{said} the source puts otherwise: {best.text!r}", best)
