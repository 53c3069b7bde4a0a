"""From the nearest text to a Grade, with the words that both share."""

from itertools import pairwise

from graders.novelty.fingerprint import INDEX_VERSION
from graders.novelty.index import Neighbour
from graders.novelty.shingles import words, words_with_offsets
from graders.types import Evidence, Grade

GRADER = "novelty"
VERSION = INDEX_VERSION
LONGEST_QUOTE = 40
EXCERPT = 200
ANOTHERS = "a sample of another tenant"


def novelty_grade(
    neighbour: Neighbour | None,
    candidate_text: str,
    offset: int = 0,
    copied: Evidence | None = None,
    *,
    of_another: bool = False,
) -> Grade:
    """Score 1 minus the similarity; 1 when nothing is near, 0 when a passage was `copied`.

    The evidence quotes the longest run of words that the neighbour has too (at most 40). Its
    offsets are those in `candidate_text`, moved by `offset`: its place in the candidate's whole
    text, or negative when it has none there. A neighbour `of_another` tenant is neither named nor
    shown: the quoted words are the candidate's own.
    """
    evidence = () if copied is None else (copied,)
    if neighbour is None or neighbour.similarity <= 0:
        return Grade(GRADER, VERSION, 0.0 if copied else 1.0, evidence)
    start, end = _overlap(candidate_text, neighbour.text)
    name = ANOTHERS if of_another else neighbour.id
    near = Evidence(
        quote=candidate_text[start:end],
        reason=f"{neighbour.how or f'{neighbour.similarity:.0%} alike to'} {name}",
        start=start + offset if offset >= 0 else None,
        end=end + offset if offset >= 0 else None,
        against=None if of_another else f"{neighbour.id}: {neighbour.text[:EXCERPT]}",
    )
    return Grade(GRADER, VERSION, 0.0 if copied else 1.0 - neighbour.similarity, (*evidence, near))


def _overlap(text: str, other: str) -> tuple[int, int]:
    """Offsets of the longest run of neighbouring word pairs that the other text has too."""
    mine, theirs = words_with_offsets(text), words(other)
    known = set(pairwise(theirs))
    longest, start, first = 0, 0, 0
    for n in range(1, len(mine)):
        if (mine[n - 1][0], mine[n][0]) not in known:
            first = n
        elif n - first > longest:
            longest, start = n - first, first
    if not longest:
        return 0, 0
    last = min(start + longest, start + LONGEST_QUOTE - 1)
    return mine[start][1], mine[last][2]
