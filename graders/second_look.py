"""The entailment model's word on a text about a fact sheet of which the writing model was asked.

Where that model could not tell what a sentence says, a sentence that the entailment model is sure
of stands after all; one that it finds hardly possible falls, whoever agreed to it.
"""

from dataclasses import replace
from typing import Final

from graders.cases import Case
from graders.entailment.evidence import claim_evidence
from graders.entailment.model import MeasuringEncoder
from graders.entailment.support import claims_support
from graders.opinion import CANT_TELL

SURE: Final = 0.8
DOUBTED: Final = 0.1
"""Probabilities of support from which an unclear sentence stands, and below which any falls. Chosen
on 800 essays by winnow-tiny (`benchmarks.truth`, seed 11): good ones kept 78% -> 92%, while 3.4% of
what passed was wrong rather than 3.1%."""
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
        elif n in failed and case.compared[n] and support.probability >= SURE:
            whole = case.evidence[n][0]
            case.evidence[n] = [replace(whole, reason=STANDS, supports=True)]
