"""What kind of text a source is: a fact sheet, a word problem, JSON, or prose.

Rules decide about fact sheets and problems, so a text counts as one only where it plainly is:
everything else is read by the entailment model.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from graders.claims import split_sentences
from graders.source_index import Index, Line, index_source

Kind = Literal["labelled", "problem", "json", "prose"]
_KEY: Final = re.compile(r"[\"']\s*:")
_FEWEST_KEYS: Final = 2
_FEWEST_LABELS: Final = 3
_LONGEST_LABEL: Final = 5
_LONGEST_VALUE: Final = 15
"""Words of a fact sheet's labels and values; the parts of an article have more."""
_SHEET_SHARE: Final = 0.7
"""Of a fact sheet's words, how many stand in such lines; of its labels, how many stand once."""
_PREFIX: Final = "problem:"
_LONGEST_PROBLEM: Final = 200
_OF_WHAT: Final = (
    r"total|sum|difference|product|quotient|remainder|average|mean|median|ratio|percentage|"
    r"percent|fraction|share|proportion|probability|number|amount|cost|price|bill|profit|loss|"
    r"value|age|length|width|height|weight|mass|area|perimeter|volume|distance|speed|rate|time|"
    r"score|salary|income|balance|change|answer|result"
)
_ASKS: Final = re.compile(
    rf"\bhow (?:many|much|long|far|old|tall|deep|fast|often|high|heavy|big|large|wide|late|soon)\b"
    rf"|\bwhat(?:['’]s| is| was| are| were| will be| would be| will| would)? (?:[\w'’.-]+ ){{0,5}}?"
    rf"(?:{_OF_WHAT})s?\b|\bby what (?:{_OF_WHAT})\b",
    re.IGNORECASE,
)
_ORDERS: Final = re.compile(
    rf"(?:^|,\s+)(?:calculate|find|determine|compute) (?:[\w'’.-]+ ){{0,4}}?(?:{_OF_WHAT})s?\b",
    re.IGNORECASE,
)


def kind_of(source: str) -> Kind:
    """Which kind a source is; a transcript is prose, and so is an article that ends by asking."""
    if source.lstrip()[:1] in ("{", "[") and len(_KEY.findall(source)) >= _FEWEST_KEYS:
        return "json"
    index = index_source(source)
    if fact_lines(index):
        return "labelled"
    return "problem" if is_problem(index) else "prose"


def fact_lines(index: Index) -> Mapping[str, Sequence[Line]]:
    """The lines of a fact sheet by label; none when the source is no fact sheet.

    One has three labels at least; most of its lines and words are a short label with a short
    value, and most labels stand once.
    """
    lines: dict[str, list[Line]] = {}
    short = 0
    for line in index.lines:
        if line.label:
            lines.setdefault(line.label, []).append(line)
            short += len(line.text.split()) if _is_short(line) else 0
    told = sum(len(same) for same in lines.values())
    most = (
        len(lines) >= _FEWEST_LABELS
        and 2 * told > len(index.lines)
        and len({label.casefold() for label in lines}) >= _SHEET_SHARE * told
        and short >= _SHEET_SHARE * len(index.text.split())
    )
    return lines if most else {}


def _is_short(line: Line) -> bool:
    return len(line.label.split()) <= _LONGEST_LABEL and len(line.value.split()) <= _LONGEST_VALUE


def is_problem(index: Index) -> bool:
    """Whether a source is a word problem: called so, or one that asks for a quantity."""
    text = index.text.strip()
    if not index.quantities or len(text.split()) > _LONGEST_PROBLEM:
        return False
    if text.casefold().startswith(_PREFIX):
        return True
    sentences = split_sentences(text)
    counts = any(not q.yearlike for q, _ in index.quantities)
    if not counts or not sentences:
        return False
    asks = _ASKS if text.endswith("?") else _ORDERS
    return asks.search(sentences[-1].text) is not None
