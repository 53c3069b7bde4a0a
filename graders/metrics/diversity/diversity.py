"""Diversity of a corpus as a Hugging Face `evaluate` module.

diversity = evaluate.load("graders/metrics/diversity")
diversity.compute(predictions=texts)
"""

from collections.abc import Callable, Sequence

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike

from graders.metrics.overlap import compression_ratio, distinct_n, self_bleu
from graders.metrics.spread import dispersion, hashed_embeddings, unit_rows, vendi_score

DESCRIPTION = (
    "How diverse a corpus is: distinct-n, self-BLEU and compression ratio of its wording, "
    "dispersion and Vendi score of its embeddings."
)
INPUTS = """
Args:
    predictions: the texts.
    embeddings: optionally their embeddings, shape (texts, dimensions).
    embed: or a function that turns a list of texts into such embeddings. With neither, hashed
        counts of words and word pairs stand in.
    orders: the n of distinct-n; (1, 2, 3) if not given.
    sample, seed: self-BLEU and the Vendi score are measured on at most `sample` texts drawn with
        `seed`; 1000 and 0 if not given.
Returns:
    `distinct_1`, … (share of n-grams that are distinct), `self_bleu` (1: all alike),
    `compression_ratio` (higher: more repetition), `dispersion` (mean cosine distance of pairs),
    `vendi_score` (effective number of different texts, at most the number it was measured on).
"""
CITATION = """@article{friedman2023vendi,
  title={The Vendi Score: A Diversity Evaluation Metric for Machine Learning},
  author={Friedman, Dan and Dieng, Adji Bousso},
  journal={Transactions on Machine Learning Research}, year={2023}}"""


class Diversity(evaluate.Measurement):  # type: ignore[misc]
    """Wraps `graders.metrics.overlap` and `.spread`; raises ValueError as they do."""

    def _info(self) -> evaluate.MeasurementInfo:
        return evaluate.MeasurementInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": datasets.Value("string")}),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        embeddings: ArrayLike | None = None,
        embed: Callable[[list[str]], ArrayLike] | None = None,
        orders: Sequence[int] = (1, 2, 3),
        sample: int = 1000,
        seed: int = 0,
    ) -> dict[str, float]:
        texts = list(predictions)
        found = {f"distinct_{n}": distinct_n(texts, n) for n in orders}
        found["self_bleu"] = self_bleu(texts, sample=sample, seed=seed)
        found["compression_ratio"] = compression_ratio(texts)
        rows = _rows(texts, embeddings, embed)
        found["dispersion"] = dispersion(rows)
        if len(rows) > sample:
            rows = rows[np.random.default_rng(seed).choice(len(rows), sample, replace=False)]
        found["vendi_score"] = vendi_score(rows)
        return found


def _rows(
    texts: list[str],
    embeddings: ArrayLike | None,
    embed: Callable[[list[str]], ArrayLike] | None,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if embeddings is not None and embed is not None:
        raise ValueError("give either embeddings or embed, not both")
    if embeddings is None and embed is None:
        return hashed_embeddings(texts)
    rows = unit_rows(embeddings if embed is None else embed(texts))  # type: ignore[arg-type]
    if len(rows) != len(texts):
        raise ValueError(f"{len(rows)} embeddings but {len(texts)} texts: give one of each")
    return rows
