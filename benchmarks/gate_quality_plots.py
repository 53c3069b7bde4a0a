"""Draws what the tables can't show: reliability, risk against coverage, realised errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gate_quality_analysis import Scored
from graders.metrics.reliability import reliability
from graders.metrics.selective import risk_coverage

ACROSS = 4
INK = "#4f81bd"


def _grid(count: int, size: float = 2.6) -> tuple[Any, list[Any]]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    across = min(ACROSS, count)
    down = -(-count // across)
    figure, axes = pyplot.subplots(
        down, across, figsize=(size * across, size * down), squeeze=False
    )
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.axis("off")
    return figure, flat


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def plot_reliability(scored: Mapping[str, Scored], path: Path) -> None:
    """Share right against mean score in bins of equally many texts; the diagonal is honest."""
    figure, axes = _grid(len(scored))
    for one, (name, found) in zip(axes, scored.items(), strict=False):
        bins = reliability(found.scores, found.right, bins=10)
        one.plot([0, 1], [0, 1], color="grey", lw=0.8)
        one.plot(bins.score, bins.right, marker="o", ms=3, color=INK)
        one.set(title=name, xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share right")
    _save(figure, path)


def plot_risk_coverage(sets: Mapping[str, Mapping[str, Scored]], path: Path) -> None:
    """Share of the passed texts that is wrong against the share that passes, per grader."""
    figure, axes = _grid(len(sets))
    for one, (name, graders) in zip(axes, sets.items(), strict=False):
        for grader, found in graders.items():
            curve = risk_coverage(found.scores, found.right)
            one.plot(curve.coverage, curve.risk, lw=1.2, label=grader)
        base = float(np.mean(~found.right))
        one.axhline(base, color="grey", lw=0.8)
        one.set(title=name, xlim=(0, 1), ylim=(0, max(0.05, base * 1.5)))
        one.set(xlabel="coverage", ylabel="risk")
    axes[0].legend(fontsize=6)
    _save(figure, path)


def plot_guarantee(checks: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """Histograms of realised errors; the line is the error that was certified."""
    cells = [
        (f"{name}, at most {float(alpha):.0%}", check)
        for name, found in checks.items()
        for alpha, check in found.items()
    ]
    figure, axes = _grid(len(cells))
    for one, (title, check) in zip(axes, cells, strict=False):
        errors = check["realised_errors"]
        if errors:
            one.hist(errors, bins=20, color=INK)
        one.axvline(check["alpha"], color="#c0504d", lw=1.2)
        one.set_title(
            f"{title}\nmisses {check['misses']} of {check['granted']}, yield {check['yield']:.0%}",
            fontsize=8,
        )
        one.set_xlabel("realised error")
    _save(figure, path)
