"""Finds the statement in a sentence that only wraps one: `Please note that it is a river.`"""

import re
from typing import Final

_START: Final = r"(?:(?:and|but|so|also|hey|wow)[,!]? )?(?:also )?"
_WH: Final = (
    r"that|who|whom|whose|what|which|when|where|why|how|if|whether|about|of|any|anything|anyone"
)
_ASKING: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"(?:So,? )?(?P<said>\S.*?\w), (?:right|correct|isn['’]t it|is it not)\?",
        rf"{_START}(?:(?:did|do|didn['’]t|don['’]t) you (?:also )?know|who knew|"
        r"(?:have|haven['’]t) you (?:ever )?(?:heard|noticed|learned)|are(?:n['’]t)? you aware|"
        r"(?:can|could|would) you believe|isn['’]t it (?:\w+ )?\w+) that (?P<said>\S.*?)\?+",
        rf"{_START}did(?:n['’]t)? you (?:also )?know,? "
        rf"(?!(?:{_WH})\b)(?P<said>\S+(?: \S+){{2,}}?)\?+",
    )
)
_TELLING: Final = re.compile(
    rf"{_START}(?:(?:please|kindly|do|it is|it['’]s|is|also|important|worth|good|useful|best|to)"
    r",? )*(?:note|noting|remember|remembering|keep in mind|bear in mind|be aware|be advised|know|"
    r"mention|mentioning|recall)(?: also)?(?: that|:|(?<!know),)\s+(?P<said>\S.*)",
    re.IGNORECASE | re.DOTALL,
)


def find_wrapped(sentence: str) -> tuple[int, int] | None:
    """Where the statement lies, as offsets; None where the sentence is itself one, or none.

    A question is a wrapping where it asks for agreement (`It is a river, right?`) or takes what
    it says for granted (`Did you know that it is a river?`).
    """
    frames = _ASKING if sentence.endswith("?") else (_TELLING,)
    for frame in frames:
        if match := frame.fullmatch(sentence):
            return match.span("said")
    return None
