"""Shows what a calibration set can certify: a table, and a plot of risk against coverage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from graders.calibration import Certificate, Refusal
from graders.calibration.selection import RiskPoint
from workers.errors import ExportError

Json = Mapping[str, Any]


def summary(found: Json) -> str:
    """What a calibration rests on, in one line."""
    grading = found["grading"]
    return (
        f"{found['rows']} texts of {found['sources']} sources, {found['wrong']} of them wrong"
        f"; {grading['grader']} {grading['version']} gave {found['ungraded']} no score"
    )


def answer_table(found: Json) -> Table:
    """One line for each error rate asked for; each holds by itself.

    `found` is a calibration as `service.calibrations.described` and the gateway tell of it.
    """
    table = Table(
        title="Of what passes, at most this share is wrong",
        caption="each line holds by itself; sources count alike",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    score = f"{found['grading']['grader']} >="
    for name in ("error rate", "confidence", score, "passes", "seen wrong", "tested"):
        table.add_column(name, justify="right", no_wrap=True)
    for answer in found["answers"]:
        table.add_row(*_cells(answer))
    return table


def _cells(answer: Json) -> tuple[str, ...]:
    asked = f"{answer['max_error_rate']:.1%}", f"{answer['confidence']:.1%}"
    threshold, accepted = answer["threshold"], str(answer["accepted"])
    if not answer["certified"]:
        best = "no bound" if threshold is None else f"best bound {answer['best_bound']:.1%}"
        return (*asked, "refused", best, "", accepted)
    passes, wrong = f"{answer['coverage']:.0%}", f"{answer['observed']:.1%}"
    return (*asked, f"{threshold:.4g}", passes, wrong, accepted)


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
