"""The entailment model's word on a text about a fact sheet of which the writing model was asked.

Where that model could not tell what one sentence says, and the entailment model is sure of it, it
stands after all; a sentence that is hardly possible falls, whoever agreed to it.
"""

from dataclasses import replace
from typing import Final

from graders.cases import Case
from graders.entailment.evidence import claim_evidence
from graders.entailment.model import MeasuringEncoder, Support
from graders.entailment.support import claims_support
from graders.opinion import CANT_TELL

SURE: Final = 0.8
DOUBTED: Final = 0.1
"""Probabilities of support from which an unclear sentence stands, and below which any falls."""
MOST_UNCLEAR: Final = 1
"""A text with more unclear sentences than this is not worth the risk. All three were chosen on 800
essays by winnow-tiny (`benchmarks.truth --seed 11`): 88% of the good ones pass, where 78% did, and
3.2% of what passes is wrong, where 3.1% was; if all unclear sentences might stand, 3.9%."""
STANDS: Final = "the model can't tell what this says, but the entailment model is sure of it"


def look_again(case: Case, encoder: MeasuringEncoder) -> None:
    """Revise a case that rules and model would let pass but for what the model could not read.

    Any other objection decides as it is, and nothing is read. Raises UngradedError when the
    entailment model fails.
    """
    failed = {n for n, found in enumerate(case.evidence) if not found[0].supports}
    if case.asides or any(case.evidence[n][0].reason != CANT_TELL for n in failed):
        return
    claims = [claim.text for claim in case.claims]
    supports = claims_support(encoder, case.source.text, claims, case.contexts)
    for n, support in enumerate(supports):
        if support.probability < DOUBTED:
            case.evidence[n] = claim_evidence(case, n, support)
        elif n in failed and _may_stand(case, n, support, len(failed)):
            whole = case.evidence[n][0]
            case.evidence[n] = [replace(whole, reason=STANDS, supports=True)]


def _may_stand(case: Case, place: int, support: Support, unclear: int) -> bool:
    return unclear <= MOST_UNCLEAR and case.compared[place] and support.probability >= SURE
