"""Is a number that a phrase holds told as the value, or is it denied, or only a bound of it?"""

import re
from typing import Final

REACH: Final = 80
"""Characters before and behind a number in which its denial is looked for."""
_BOUND = (
    r"(?:\bthan(?:\s+or\s+equal\s+to)?|\bat\s+(?:least|most)|\bup\s+to|\bas\s+(?:many|much)\s+as|"
    r"\b(?:over|under|above|below|beyond|exceed(?:s|ing)?|except|instead\s+of|either|"
    r"(?:any|no|every)thing\s+but|all\s+but|"
    r"(?:minimum|maximum)(?:\s+of)?)|[<>≤≥≠])"
)
_BOUNDED = re.compile(rf"{_BOUND}\s*(?:about\s+|exactly\s+)?[($€£\\\s]*$", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\b(?:not|cannot|never|neither|nor)\b|n['’]t\b)(?!\s+only\b)(?:(?!\bbut\b)[^,;:.!?=\n])*$",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"!(?!=)|\s?\+(?=\s*(?:$|[.,;a-z]))|\s(?:is|was)(?:\s+not\b|n['’]t)|[^,;.\n]*?\b(?:"
    r"or\s+(?:more|less|fewer|greater|higher|lower|above|below|over|under)|at\s+(?:least|most)|"
    r"and\s+(?:up|over|above)|(?:minimum|maximum)$|"
    r"(?:is|was|are|were)\s+(?:wrong|incorrect|false))",
    re.IGNORECASE,
)


def is_hedged(text: str, start: int, end: int) -> bool:
    """Whether the number at these offsets is denied ("not 5") or a bound ("at least 5", "5+")."""
    before, behind = text[max(0, start - REACH) : start], text[end : end + REACH]
    return bool(_BOUNDED.search(before) or _DENIED.search(before) or _TAKEN_BACK.match(behind))
