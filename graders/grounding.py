"""The rules that hold a claim against its source: numbers, units, names, topic and negation.

They abstain (support) where wording shares nothing with the source, so that paraphrase passes;
`held_line` says whether they compared anything at all.
"""

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from graders.arithmetic import Equation, find_equations
from graders.claims import Claim
from graders.names import Name, find_names
from graders.quantities import Quantity, find_quantities
from graders.source_index import (
    LONGEST_TOKEN,
    PRONOUNS,
    STOPWORDS,
    Found,
    Index,
    Line,
    index_source,
    is_negative,
    most_shared,
    negation_in,
    stem,
    stems,
    topic_scores,
    words_of,
)

__all__ = ["Finding", "Index", "Line", "check_claim", "held_line", "index_source", "is_negative"]

MAX_QUANTITIES: Final = 60
"""The most distinct numbers that one claim may hold: bounds the work on hostile text."""

MAX_CHARS: Final = 2000
"""The longest sentence that is read as one claim, for the same reason."""

_CLAUSE = re.compile(r",\s+|;\s+|\s+(?:and|while|but|which|who|whose)\s+")
_CENTURY = re.compile(r"[\s-]+century")
_RIVAL_SCORE: Final = 0.5
_CUE_REACH: Final = 200
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_YEAR_CUE = re.compile(r"\b(?:in|since|from|until|by|of|year|before|after|around)\s*$", re.I)
_PLACE_CUE = re.compile(r"\b(?:in|at|from|near|on|to|through|across)\s+(?:the\s+)?$", re.I)
_PLACE_LABEL = re.compile(
    r"\b(?:in|at|place|city|town|country|continent|birthplace|born|location|located|capital|"
    r"region|state|source|mouth|home|range|ocean|sea|river|lake)\b", re.I
)  # fmt: skip
_COPULA = re.compile(r"\b(?:is|was|are|were|came|comes)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Words of a claim that the source does not support; offsets in the claim's text."""

    quote: str
    start: int
    reason: str
    line: Line | None = None


def check_claim(claim: Claim, index: Index, computed: Container[Fraction]) -> list[Finding]:
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
    text: str, quantities: Sequence[Quantity], index: Index, computed: Container[Fraction]
) -> Iterator[Finding]:
    distinct = {(q.value, q.dimension, q.ordinal, q.decade): q for q in reversed(quantities)}
    if len(distinct) > MAX_QUANTITIES:
        yield Finding(text[:80], 0, f"more than {MAX_QUANTITIES} numbers in one claim")
        return
    for quantity in distinct.values():
        if quantity.value in computed or _in_period(quantity, text, index):
            continue
        found = _stated(quantity, index)
        if not found:
            yield _missing(quantity, index)
            continue
        yield from _misplaced_year(text, quantity, found)
        rival = _other_number(text, quantity, found, index)
        if rival is not None:
            reason = f"the source says {rival.text!r}"
            yield Finding(quantity.text, quantity.start, reason, rival)


def _stated(quantity: Quantity, index: Index) -> list[Found]:
    """The equal quantities of the source, in its order.

    Equal is in value, and in unit where both have one; 4.5 km and 4500 m are the same.
    """
    alike = index.by_value.get(quantity.value, ())
    if quantity.dimension is None or quantity.base is None:
        return list(alike)
    found = [*index.by_measure.get((quantity.dimension, quantity.base), ())]
    found += [item for item in alike if item[0].dimension is None]
    return sorted(found, key=lambda item: (item[1].place, item[0].start))


def _other_number(
    text: str, quantity: Quantity, found: Sequence[Found], index: Index
) -> Line | None:
    """The line that the clause is clearly about and that has another number of this sort."""
    clause = _clause(text, quantity.start, quantity.end)
    here = {line.place: line for _, line in found}
    scores = _scores(clause, here.values(), index)
    if scores.keys() <= here.keys():
        return None
    spoken = find_quantities(clause)
    rivals = [
        place
        for place in scores.keys() - here.keys()
        if any(
            _same_sort(quantity, q) and not any(_same(other, q) for other in spoken)
            for q in index.lines[place].quantities
        )
    ]
    return _better(scores, here, rivals, index)


def _missing(quantity: Quantity, index: Index) -> Finding:
    for _, line in index.by_value.get(quantity.value, ()):
        reason = f"the unit of {quantity.text} differs: the source says {line.text!r}"
        return Finding(quantity.text, quantity.start, reason, line)
    reason = f"{quantity.text} does not occur in the source"
    return Finding(quantity.text, quantity.start, reason)


def _same(claimed: Quantity, found: Quantity) -> bool:
    if claimed.dimension and found.dimension:
        return claimed.dimension == found.dimension and claimed.base == found.base
    return claimed.value == found.value


def _same_sort(one: Quantity, other: Quantity) -> bool:
    if one.dimension or other.dimension:
        return one.dimension == other.dimension
    return one.yearlike == other.yearlike


def _in_period(quantity: Quantity, text: str, index: Index) -> bool:
    """`the 18th century` and `the 1890s` hold when a year of the source lies in them."""
    if quantity.decade:
        return quantity.value in index.decades
    if quantity.ordinal and _CENTURY.match(text, quantity.end):
        return quantity.value in index.centuries
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


def _scores(clause: str, here: Iterable[Line], index: Index) -> dict[int, float]:
    """By place, how much the wording is about each line; values of `here` say nothing of it."""
    values = {stem for line in here for stem in line.value_stems}
    return topic_scores(stems(clause) - values, index)


def _better(
    scores: Mapping[int, float], here: Iterable[int], rivals: Collection[int], index: Index
) -> Line | None:
    """The rival line that the wording is clearly about, when it is about none of `here`."""
    if not rivals:
        return None
    best_here = max((scores.get(place, 0.0) for place in here), default=0.0)
    place = min(rivals, key=lambda place: (-scores[place], place))
    best, score = index.lines[place], scores[place]
    margin = 1.0 if best.label else 2.0
    clear = score >= margin / 2 and (best_here == 0 or score > 1.9 * best_here)
    return best if clear and (best.label or best_here == 0) else None


def _names(text: str, names: Sequence[Name], index: Index) -> Iterator[Finding]:
    for name in names:
        places = _holders(name, index)
        if not places and _two_names(name, index):
            continue
        if not places:
            reason = f"{name.text} does not occur in the source"
            yield Finding(name.text, name.start, reason, _rival_of_missing(text, name, index))
            continue
        rival = _other_holder(text, name, places, index)
        if rival is not None:
            yield Finding(name.text, name.start, f"the source says {rival.text!r}", rival)


def _two_names(name: Name, index: Index) -> bool:
    """Whether two whole names of the source merely stand side by side."""
    words = name.text.casefold().split()
    splits = ((" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words)))
    return any(one in index.names and other in index.names for one, other in splits)


def _rival_of_missing(text: str, name: Name, index: Index) -> Line | None:
    wording = stems(_clause(text, name.start, name.start + len(name.text)))
    scores = topic_scores(wording, index)
    place = min(scores, key=lambda place: (-scores[place], place), default=None)
    return None if place is None or scores[place] < _RIVAL_SCORE else index.lines[place]


def _holders(name: Name, index: Index) -> frozenset[int]:
    """The places of the lines that have a name."""
    if not name.exact:
        words = [word.casefold() for word in words_of(name.text)]
        found = sorted((index.by_word.get(word, ()) for word in words), key=len)
        return frozenset(found[0]).intersection(*found[1:]) if found else frozenset()
    if name.text.isalnum() and len(name.text) <= LONGEST_TOKEN:
        return frozenset(index.by_token.get(name.text, ()))
    pattern = re.compile(rf"(?<!\w){re.escape(name.text)}(?!\w)")
    return frozenset(line.place for line in index.lines if pattern.search(line.text))


def _other_holder(text: str, name: Name, here: frozenset[int], index: Index) -> Line | None:
    """A labelled line that the clause is about and that holds another name than the claim's."""
    if 0 in here or any(not index.lines[place].label for place in here):
        return None
    clause = _clause(text, name.start, name.start + len(name.text))
    scores = _scores(clause, (index.lines[place] for place in here), index)
    placed = bool(_PLACE_CUE.search(text, max(0, name.start - _CUE_REACH), name.start))
    lowered = clause.casefold()
    rivals = [
        place
        for place in scores.keys() - here
        if place and _holds_other_name(index.lines[place], lowered, placed)
    ]
    return _better(scores, here, rivals, index)


def _holds_other_name(line: Line, clause: str, placed: bool) -> bool:
    return bool(
        line.label
        and line.value[:1].isupper()
        and not line.quantities
        and not any(word.casefold() in clause for word in line.value_words if len(word) > 2)
        and (not placed or _PLACE_LABEL.search(line.label))
    )


def _labels(text: str, index: Index) -> Iterator[Finding]:
    """`its main use is …` must say what the line `Main use: …` says."""
    copula = _COPULA.search(text)
    if copula is None:
        return
    subject, wording = stems(text[: copula.start()]), stems(text)
    numbers = {q.value for q in find_quantities(text)}
    near = {stem(word) for word in words_of(text[: copula.start()])[-8:]}
    for place in sorted({at for word in subject for at in index.by_topic.get(word, ())}):
        line = index.lines[place]
        if not place or not line.label or not line.topic <= subject:
            continue
        last = [w for w in words_of(line.label) if w.casefold() not in STOPWORDS][-1:]
        if not last or stem(last[0]) not in near:
            continue
        words = {w for w in line.value_words if w not in STOPWORDS}
        said = words & set(words_of(text))
        held = line.value_stems & wording or said or numbers & {q.value for q in line.quantities}
        twin = any(len(index.by_topic[word]) > 1 for word in line.topic)
        if not held and not twin:
            at = copula.end() + 1
            yield Finding(text[at:].rstrip("."), at, f"the source says {line.text!r}", line)
            return


def _pronoun(text: str, index: Index) -> Iterator[Finding]:
    """`she` of someone for whom a labelled line says `he`, or the other way round.

    Prose is left alone: it may speak of several people.
    """
    if not index.pronouns:
        return
    told = next(words for words in PRONOUNS if words & index.pronouns)
    for match in _WORD.finditer(text):
        word = match[0].casefold()
        if word not in told and any(word in words for words in PRONOUNS):
            said = min(index.pronouns)
            yield Finding(match[0], match.start(), f"the source says {said!r}")
            return


def _polarity(text: str, index: Index) -> Iterator[Finding]:
    negative = is_negative(text)
    if not negative and not index.negative:
        return
    wording = stems(text)
    best = most_shared(wording, index)
    if best is None:
        return
    shared = wording & best.stems
    told = sum(1 for s in shared if index.weights.get(s, 1.0))
    if best.negative == negative or not told or len(shared) < (1 if best.label else 3):
        return
    match = negation_in(text)
    start, quote = (match.start(), match[0]) if negative and match else (0, text)
    said = "the claim denies what" if negative else "the claim asserts what"
    yield Finding(quote, start, f"{said} the source puts otherwise: {best.text!r}", best)


def held_line(claim: Claim, index: Index) -> Line | None:
    """The first line that a claim was compared with and has a value of; None if there is none.

    A value is a quantity, a name other than that of the sheet's subject, or half the words of
    what stands behind a label.
    """
    quantities = (q for q in find_quantities(claim.text) if not _idle(q, claim.text))
    places = {line.place for q in quantities for _, line in _stated(q, index)}
    for name in find_names(claim.text, index.words, index.text):
        places |= _holders(name, index)
    wording = stems(claim.text)
    for place in {at for word in wording for at in index.by_stem.get(word, ())}:
        values = index.lines[place].value_stems
        if values and 2 * len(values & wording) >= len(values):
            places.add(place)
    told = (place for place in places if place or not index.lines[0].label)
    first = min(told, default=None)
    return None if first is None else index.lines[first]
