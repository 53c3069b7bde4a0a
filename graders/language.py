"""Which script and, roughly, which language a text is in: cheap shares, no model."""

import re
import unicodedata
from collections import Counter

_COMMONEST = (
    "the a an of to in and is are was were it that this for on with as by from at he she they his "
    "her their has have had be been will not or but how many much what which each there more than "
    "if you we i do does did all one two so then its"
)
ENGLISH = frozenset(_COMMONEST.split())
_WORD = re.compile(r"[^\W\d_]+")
SAMPLE_CHARS = 4000
MIN_LETTERS = 20
MIN_WORDS = 20
ENGLISH_SHARE = 0.12
SCRIPT_SHARE = 0.7
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_SHARED_SCRIPTS = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "HANGUL": "HANGUL"}


def script_of(letter: str) -> str:
    """The first word of the letter's Unicode name: LATIN, CYRILLIC, CJK, …; kana count as CJK."""
    name = unicodedata.name(letter, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]
    return _SHARED_SCRIPTS.get(name, name)


def script_shares(text: str) -> dict[str, float]:
    """Share of the letters in each script; empty when there are too few letters to say."""
    sample = text[:SAMPLE_CHARS]
    if sample.isascii():
        letters_only = sample.encode().translate(None, _NO_ASCII_LETTERS)
        return {"LATIN": 1.0} if len(letters_only) >= MIN_LETTERS else {}
    letters = Counter(letter for letter in sample if letter.isalpha())
    total = sum(letters.values())
    if total < MIN_LETTERS:
        return {}
    shares: Counter[str] = Counter()
    for letter, count in letters.items():
        shares[script_of(letter)] += count
    return {script: count / total for script, count in shares.items()}


def english_share(text: str) -> float | None:
    """Share of the words that are among the commonest in English; None below 20 words."""
    words = _WORD.findall(text[:SAMPLE_CHARS].casefold())
    if len(words) < MIN_WORDS:
        return None
    return sum(word in ENGLISH for word in words) / len(words)


def wrong_language(text: str, language: str, reference: str) -> str | None:
    """Why this text is not in the language wanted, or None.

    `language` is `en`, or `source`: then most letters must be of the scripts of `reference`.
    """
    shares = script_shares(text)
    if language == "source":
        wanted = {script for script, share in script_shares(reference).items() if share >= 0.1}
    else:
        wanted = {"LATIN"}
    if not shares or not wanted:
        return None
    if sum(shares.get(script, 0.0) for script in wanted) < SCRIPT_SHARE:
        main = max(shares, key=lambda script: shares[script])
        expected = " or ".join(sorted(wanted)).lower()
        return f"written in {main.lower()} script where {expected} is wanted"
    share = english_share(text) if language == "en" else None
    if share is not None and share < ENGLISH_SHARE:
        return f"does not read as English: {share:.0%} common English words"
    return None
