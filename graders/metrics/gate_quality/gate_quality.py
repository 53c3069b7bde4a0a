"""Gate quality as a Hugging Face `evaluate` module: what passes, and how much of it is wrong.

gate_quality = evaluate.load("graders/metrics/gate_quality")
gate_quality.compute(predictions=scores, references=labels, threshold=0.5)
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from graders.metrics.quality import intervals, measure
from graders.metrics.selective import risk_coverage

DESCRIPTION = (
    "Measures of a gate that lets texts pass whose score reaches a threshold: risk, coverage, "
    "risk-coverage curve, AURC, excess AURC, AUROC, F1 and recall of the class 'wrong', balanced "
    "accuracy, expected calibration error (equal-mass bins) and Brier score."
)
INPUTS = """
Args:
    predictions: one score per text; higher means more likely right.
    references: 1 where the text is right, 0 where it is wrong.
    threshold: least score that passes; 0.5 if not given.
    sources: optionally one source id per text; adds 95% intervals by bootstrap over sources.
    bins: number of bins of the calibration error; 15 if not given.
    rounds, seed: of the bootstrap; 1000 and 0 if not given.
Returns:
    a dictionary of the measures, `risk_coverage` with the curve's points (`threshold`, `coverage`,
    `risk`) and, with sources, `intervals` with the ends of each interval.
"""
CITATION = """@inproceedings{geifman2019bias,
  title={Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers},
  author={Geifman, Yonatan and Uziel, Guy and El-Yaniv, Ran}, booktitle={ICLR}, year={2019}}"""


class GateQuality(evaluate.Metric):  # type: ignore[misc]
    """Wraps `graders.metrics.quality`; raises ValueError as that does."""

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "predictions": datasets.Value("float64"),
            "references": datasets.Value("int32"),
        }
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features(features),
        )

    def _compute(
        self,
        predictions: Sequence[float],
        references: Sequence[int],
        threshold: float = 0.5,
        sources: Sequence[Any] | None = None,
        bins: int = 15,
        rounds: int = 1000,
        seed: int = 0,
    ) -> dict[str, Any]:
        found: dict[str, Any] = dict(measure(predictions, references, threshold, bins))
        curve = risk_coverage(predictions, references)
        found["risk_coverage"] = {
            "threshold": curve.threshold.tolist(),
            "coverage": curve.coverage.tolist(),
            "risk": curve.risk.tolist(),
        }
        if sources is not None:
            ends = intervals(predictions, references, sources, threshold, rounds, seed)
            found["intervals"] = dict(ends)
        return found
