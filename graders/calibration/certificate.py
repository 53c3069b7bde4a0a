"""What calibration can say: a Certificate that holds, or a Refusal with the best there is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

ASSUMPTION = (
    "Holds for texts that are exchangeable with the calibration set: one of its kind of sources "
    "drawn at random, then one text about it by the same generator, graded in the same way. Void "
    "for another generator, recipe, prompt or topic mix. The gate's other graders only refuse "
    "more; that they do not refuse the right texts rather than the wrong ones is assumed. The "
    "share is that of the process that makes and gates texts; one batch may come out above it."
)


UNNAMED = (
    "The calibration set does not say which model wrote its texts: that it was this batch's, "
    "{model}, is assumed."
)
MIXED = (
    "The calibration set's texts are by {generators} together: that those of this batch's model, "
    "{model}, are wrong no oftener is assumed."
)


def assumption_for(model: str, generators: Sequence[str]) -> str:
    """What a certificate rests on for a batch of this model; `generators` wrote the labelled texts.

    Of several, the model is one.
    """
    if not generators:
        return f"{ASSUMPTION} {UNNAMED.format(model=model)}"
    if len(generators) > 1:
        return f"{ASSUMPTION} {MIXED.format(model=model, generators=', '.join(generators))}"
    return ASSUMPTION


@dataclass(frozen=True, slots=True)
class Certificate:
    """At `confidence`, at most a share `max_error_rate` of what passes `threshold` is wrong.

    `bound` is that share. `observed` is the share wrong among the `accepted` texts, of as many
    sources, that were tested; `tested` counts all sources there, `sources` and `rows` the whole
    set. `coverage` is the share of texts expected to pass. Sources count alike, whatever the number
    of their texts. The rest says what was calibrated, on what, and when (Unix seconds);
    `process_sha256` stands for the configuration of the model that writes and of the grading.
    """

    max_error_rate: float
    confidence: float
    bound: float
    threshold: float
    coverage: float
    observed: float
    accepted: int
    tested: int
    sources: int
    rows: int
    seed: int
    grader: str = ""
    grader_version: str = ""
    recipe: str = ""
    generators: tuple[str, ...] = ()
    calibration_set: str = ""
    calibration_sha256: str = ""
    calibrated_at: float = 0.0
    process_sha256: str = ""
    assumption: str = ASSUMPTION

    def to_json(self) -> dict[str, Any]:
        """The certificate as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No threshold honours what was asked; `best_bound` holds at `threshold` by itself.

    `threshold` is None, and `best_bound` 1, where the set is too small to say anything.
    """

    max_error_rate: float
    confidence: float
    best_bound: float
    threshold: float | None
    coverage: float
    accepted: int
    reason: str
