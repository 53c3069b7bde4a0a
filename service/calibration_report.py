"""Shows what a calibration set can certify: a table, and a plot of risk against coverage."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from graders.calibration import Certificate, Refusal
from graders.calibration.selection import RiskPoint
from workers.errors import ExportError


def answer_table(found: Sequence[Certificate | Refusal], grader: str) -> Table:
    """One line for each error rate asked for; each holds by itself."""
    table = Table(
        title="Of what passes, at most this share is wrong",
        caption="each line holds by itself; sources count alike",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in ("error rate", "confidence", f"{grader} >=", "passes", "seen wrong", "tested"):
        table.add_column(name, justify="right", no_wrap=True)
    for answer in found:
        table.add_row(*_cells(answer))
    return table


def _cells(answer: Certificate | Refusal) -> tuple[str, ...]:
    asked = f"{answer.max_error_rate:.1%}", f"{answer.confidence:.1%}"
    if isinstance(answer, Refusal):
        best = "no bound" if answer.threshold is None else f"best bound {answer.best_bound:.1%}"
        return (*asked, "refused", best, "", str(answer.accepted))
    return (
        *asked,
        f"{answer.threshold:.4g}",
        f"{answer.coverage:.0%}",
        f"{answer.observed:.1%}",
        str(answer.accepted),
    )


def plot_curve(
    path: Path, curve: Sequence[RiskPoint], found: Sequence[Certificate | Refusal], name: str
) -> None:
    """Risk against coverage with its bound, and where each certificate lies; a picture at `path`.

    Raises ExportError without matplotlib, or when the picture can't be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise ExportError("a plot needs matplotlib: pip install 'winnow[bench]'") from exc
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    coverage = [point.coverage for point in curve]
    axes.plot(coverage, [point.risk for point in curve], label="wrong among what passes")
    bounds = [point.bound for point in curve]
    axes.plot(coverage, bounds, linestyle="--", label="bound, each threshold by itself")
    certified = [answer for answer in found if isinstance(answer, Certificate)]
    if certified:
        points = [answer.coverage for answer in certified], [answer.bound for answer in certified]
        axes.scatter(*points, marker="v", color="black", zorder=3, label="certified")
    axes.set(
        xlabel="share of texts that pass",
        ylabel="share wrong",
        title=name,
        xlim=(0, 1),
        ylim=(0, None),
    )
    axes.legend()
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as exc:
        raise ExportError(f"can't write {path}: {exc}") from exc
