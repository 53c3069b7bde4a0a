"""Words the entailment model's opinion: which claim, which window of the source, which words."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from graders.cases import Case, evidence_of
from graders.claims import Claim
from graders.entailment.model import Support, TokenSupport
from graders.entailment.pooling import ClaimScore
from graders.entailment.premise import find_terms
from graders.entailment.support import best_window
from graders.grounding import Finding
from graders.quantities import find_quantities
from graders.types import Evidence

LIKELY: Final = 0.5
"""From this probability on, a claim counts as supported in the evidence."""
_LONGEST_QUOTE: Final = 160
_LOWEST_WORDS: Final = 2
_WORDS: Final = re.compile(r"[^\W_]+(?:[-'’.,][^\W_]+)*")
_NEGATIONS: Final = frozenset("not never no neither nor none nobody nothing cannot".split())


def score_of(
    support: Support, findings: Sequence[Finding], claim: str, known: Collection[str]
) -> ClaimScore:
    """What pooling is told of one claim; `known` are the terms of its source."""
    terms = find_terms(claim)
    kinds = [_kind(finding) for finding in findings]
    lowest = sorted(token.probability for token in support.tokens or ())[:_LOWEST_WORDS]
    return ClaimScore(
        support.probability,
        sum(lowest) / len(lowest) if lowest else None,
        kinds.count("number"),
        kinds.count("name"),
        kinds.count("wording"),
        sum(terms.values()),
        sum(weight for term, weight in terms.items() if term not in known),
    )


def claim_evidence(case: Case, place: int, support: Support) -> list[Evidence]:
    """What speaks against or for one claim, worst first; the first says how likely it is."""
    claim, findings = case.claims[place], case.findings[place]
    window = best_window(case.source.text, claim.text, case.contexts[place])
    odds = f"{support.probability:.2f} likely supported"
    if support.probability >= LIKELY:
        whole = evidence_of(case, claim, Finding(claim.text, 0, odds))
        doubts = [evidence_of(case, claim, found) for found in findings]
        found = [replace(whole, supports=True), *doubts]
    elif findings:
        found = [
            replace(evidence_of(case, claim, f), reason=f"{odds}: {f.reason}{_said(claim, f)}")
            for f in findings
        ]
    else:
        words = offending_words(claim.text, support.tokens) or Finding(claim.text, 0, "")
        found = [replace(evidence_of(case, claim, words), reason=odds + _said(claim, words))]
    found = [replace(item, probability=support.probability) for item in found]
    if window is None:
        return found
    held = case.source.text[window.start : window.end]
    return [
        item
        if item.against is not None
        else replace(item, against=held, source_start=window.start, source_end=window.end)
        for item in found
    ]


def offending_words(claim: str, tokens: Sequence[TokenSupport] | None) -> Finding | None:
    """The run of whole words that the model holds least supported; None if it names none.

    The run with the most doubt in it wins, where a word's doubt is how far it lies below one half.
    """
    words = list(_doubted(claim, tokens or ()))
    runs: list[tuple[float, int, int]] = []
    for doubt, start, end in words:
        if doubt <= 0:
            continue
        if runs and not _WORDS.search(claim, runs[-1][2], start):
            runs[-1] = (runs[-1][0] + doubt, runs[-1][1], end)
        else:
            runs.append((doubt, start, end))
    if not runs:
        return None
    _, start, end = max(runs)
    return Finding(claim[start:end], start, "")


def _doubted(claim: str, tokens: Sequence[TokenSupport]) -> Iterator[tuple[float, int, int]]:
    """Each word with the doubt of its worst token."""
    for word in _WORDS.finditer(claim):
        own = [t.probability for t in tokens if t.start < word.end() and word.start() < t.end]
        if own:
            yield LIKELY - min(own), word.start(), word.end()


def _kind(finding: Finding) -> str:
    if find_quantities(finding.quote):
        return "number"
    words = finding.quote.split()
    if not words or words[0].casefold() in _NEGATIONS or len(words) > 6:
        return "wording"
    return "name" if finding.quote[0].isupper() else "wording"


def _said(claim: Claim, finding: Finding) -> str:
    """The claim itself, where the quote is only some of its words."""
    if finding.quote == claim.text:
        return ""
    cut = claim.text[:_LONGEST_QUOTE] + ("…" if len(claim.text) > _LONGEST_QUOTE else "")
    return f" — in “{cut}”"
