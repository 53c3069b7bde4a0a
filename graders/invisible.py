"""Characters that no reader sees: Unicode's formatting marks (category Cf) and variation selectors.

Between the letters of a word they hide it from whatever compares words.
"""

import re
from typing import Final

_FORMATTING: Final = (
    "\u00ad \u0600-\u0605 \u061c \u06dd \u070f \u0890-\u0891 \u08e2 \u180e \u200b-\u200f "
    "\u202a-\u202e \u2060-\u2064 \u2066-\u206f \ufeff \ufff9-\ufffb \U000110bd \U000110cd "
    "\U00013430-\U0001343f \U0001bca0-\U0001bca3 \U0001d173-\U0001d17a \U000e0001 "
    "\U000e0020-\U000e007f"
)
_DRAWN_AS_NOTHING: Final = (
    "\ufe00-\ufe0f \U000e0100-\U000e01ef \u180b-\u180d \u034f \u115f-\u1160 \u17b4-\u17b5 "
    "\u3164 \uffa0"
)
INVISIBLE: Final = frozenset(
    chr(code)
    for span in f"{_FORMATTING} {_DRAWN_AS_NOTHING}".split(" ")
    for code in range(ord(span[0]), ord(span[-1]) + 1)
)
"""Category Cf, the variation selectors, the grapheme joiner, and letters drawn as nothing."""
_SOFT_HYPHEN: Final = "\u00ad"
_LETTER: Final = r"[A-Za-z0-9\u00c0-\u024f\u0370-\u052f]"
_MARKS: Final = "".join(map(re.escape, sorted(INVISIBLE - {_SOFT_HYPHEN})))
_HIDDEN: Final = re.compile(
    rf"(?<={_LETTER})(?:[{_MARKS}][{_MARKS}{_SOFT_HYPHEN}]*+|{_SOFT_HYPHEN}[{_MARKS}{_SOFT_HYPHEN}]++)"
    rf"(?={_LETTER})"
)


def find_hidden(text: str) -> tuple[int, int] | None:
    """Where invisible characters split a word of Latin, Greek or Cyrillic letters or digits.

    A single soft hyphen only says where a word may break; other scripts need joiners.
    """
    match = None if text.isascii() else _HIDDEN.search(text)
    return match.span() if match else None
