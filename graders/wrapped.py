"""Finds the statement that a question takes for granted: `Did you know that it is a river?`"""

import re
from typing import Final

_START: Final = r"(?:(?:and|but|so|also|hey|wow)[,!]? )?(?:also )?"
_WH: Final = (
    r"that|who|whom|whose|what|which|when|where|why|how|if|whether|about|of|any|anything|anyone"
)
_ASKING: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"(?:So,? )?(?P<said>\S.*?\w), (?:right|correct|isn['’]t it|is it not)",
        rf"{_START}(?:(?:did|do|didn['’]t|don['’]t) you (?:also )?know|who knew|"
        r"(?:have|haven['’]t) you (?:ever )?(?:heard|noticed|learned)|are(?:n['’]t)? you aware|"
        r"(?:can|could|would) you believe|isn['’]t it (?:\w+ )?\w+) that (?P<said>\S.*)",
        rf"{_START}did(?:n['’]t)? you (?:also )?know,? "
        rf"(?!(?:{_WH})\b)(?P<said>\S+(?: \S+){{2,}})",
    )
)


def find_wrapped(sentence: str) -> tuple[int, int] | None:
    """Where the statement lies, as offsets; None where the sentence is no such question.

    It asks for agreement (`It is a river, right?`) or takes what it says for granted.
    """
    asked = sentence.rstrip("?")
    for frame in _ASKING if asked != sentence else ():
        if match := frame.fullmatch(asked):
            return match.span("said")
    return None
