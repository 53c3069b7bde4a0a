"""What the throughput benchmark found: medians, tables, a plot, and the files they go into."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.environment import describe_environment, write_result
from benchmarks.throughput_work import ABORTS, ARMS, BARE, ENGINE, OFF, ON, Work

Run = dict[str, Any]
"""throughput_work.Measured, and `gpu_busy`: each GPU that worked, and its share of the time."""


@dataclass(slots=True)
class Report:
    """What is known so far; `failed` says why there is no more. `path` is the files' without end.

    `scaling` holds the runs of each number of workers.
    """

    work: Work
    path: Path
    runs: dict[str, list[Run]] = field(default_factory=lambda: {arm: [] for arm in ARMS})
    scaling: dict[int, list[Run]] = field(default_factory=dict)
    failed: str | None = None

    @property
    def rounds(self) -> int:
        """In which every arm was measured."""
        return min(map(len, self.runs.values()))

    @property
    def json(self) -> Path | None:
        """What is written to first, if there is anything: an older report's only by a full one."""
        if not any(self.runs.values()):
            return None
        return self._file(".json" if self.rounds else "_partial.json")

    def write(self) -> str:
        """Write JSON if anything was measured; from the first full round on, table and plot too.

        Returns the table.
        """
        if self.json is None:
            return ""
        rounds = self.rounds
        rows = summarise({arm: runs[:rounds] for arm, runs in self.runs.items()} if rounds else {})
        content = {
            "environment": describe_environment(),
            "work": asdict(self.work),
            "failed": self.failed,
            "summary": rows,
            "runs": self.runs,
            "scaling": self.scaling,
        }
        write_result(self.json, content)
        if not rows:
            return ""
        text = table(self.work, rows)
        if self.scaling:
            text += "\n" + scaling_table(self.scaling, units())
        self._file(".md").write_text(text)
        if find_spec("matplotlib"):  # not in every environment that runs vLLM
            plot(self.work, rows, self._file(".png"))
        else:
            print("no plot: pip install matplotlib")
        return text

    def _file(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)


def summarise(measured: dict[str, list[Run]]) -> dict[str, dict[str, float | None]]:
    """Medians over the runs, and the ratio to the bare engine within each run; of none, nothing.

    `overhead` is 1 minus the rate of all tokens, those that graders asked for included, over
    that of Winnow's engine alone: what is lost to everything but writing. `gpu_busy` is the mean
    over the GPUs that worked, which `gpus_worked` counts.
    """
    if not measured:
        return {}
    bare, engine = measured[BARE], measured[ENGINE]
    rows: dict[str, dict[str, float | None]] = {}
    for arm, runs in measured.items():
        grading = [run["grader_seconds"] / run["seconds"] for run in runs]
        firsts = [run["first_sample"] for run in runs if run["first_sample"] is not None]
        busy = [statistics.fmean(run["gpu_busy"].values()) for run in runs if run["gpu_busy"]]
        rows[arm] = {
            "tokens_per_s": statistics.median(map(tokens_per_s, runs)),
            "of_bare": _ratio(runs, bare, tokens_per_s),
            "of_engine": _ratio(runs, engine, tokens_per_s),
            "all_tokens_per_s": statistics.median(map(_rate_of_all, runs)),
            "overhead": 1 - _ratio(runs, engine, _rate_of_all),
            "accepted_per_s": statistics.median(run["accepted"] / run["seconds"] for run in runs),
            "accepted": statistics.median(run["accepted"] for run in runs),
            "cpu_ms": statistics.median(1000 * r["cpu_seconds"] / r["candidates"] for r in runs),
            "grading_at_once": statistics.median(grading),
            "first_sample_s": statistics.median(firsts) if firsts else None,
            "gpu_busy": statistics.fmean(busy) if busy else None,
            "gpus_worked": max(len(run["gpu_busy"]) for run in runs) if busy else None,
        }
    return rows


def tokens_per_s(run: Run) -> float:
    """Of the candidates' own tokens."""
    return float(run["tokens"] / run["seconds"])


def _rate_of_all(run: Run) -> float:
    return float((run["tokens"] + run["asked_tokens"]) / run["seconds"])


def _ratio(runs: Sequence[Run], base: Sequence[Run], rate: Callable[[Run], float]) -> float:
    return statistics.median(rate(a) / rate(b) for a, b in zip(runs, base, strict=True))


def table(work: Work, rows: dict[str, dict[str, float | None]]) -> str:
    """A Markdown table, a line an arm."""
    names = {
        BARE: "`vllm.LLM`" if work.engine["kind"] == "vllm" else "`model.generate`",
        ENGINE: "Winnow's engine alone",
        OFF: "Winnow, grading off",
        ON: "Winnow, grading on",
        ABORTS: "Winnow, grading and aborts on",
    }
    lines = [
        "| | candidates' tokens/s | of the bare engine | with graders' questions, tokens/s "
        "| lost to all but writing | accepted/s | first sample, s | GPU busy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm, row in rows.items():
        lines.append(
            f"| {names[arm]} | {row['tokens_per_s']:,.0f} | {row['of_bare']:.2f} "
            f"| {row['all_tokens_per_s']:,.0f} "
            + (f"| {row['overhead']:.1%} " if arm in (OFF, ON, ABORTS) else "| ")
            + (f"| {row['accepted_per_s']:.1f} " if arm in (ON, ABORTS) else "| ")
            + (f"| {row['first_sample_s']:.2f} " if row["first_sample_s"] is not None else "| ")
            + (
                f"| {row['gpu_busy']:.0%}, {row['gpus_worked']} worked |"
                if row["gpus_worked"]
                else "| |"
            )
        )
    return "\n".join(lines) + "\n"


def scaling_table(measured: dict[int, list[Run]], units: int) -> str:
    """A line a number of workers; efficiency against what so many cores or GPUs allow."""
    rates = {count: statistics.median(map(tokens_per_s, runs)) for count, runs in measured.items()}
    least = min(rates)
    lines = ["| workers | tokens/s | speed-up | efficiency |", "|---|---|---|---|"]
    for count, rate in rates.items():
        allowed = min(count, units) / min(least, units)
        up = rate / rates[least]
        lines.append(f"| {count} | {rate:,.0f} | {up:.2f} | {up / allowed:.0%} |")
    return "\n".join(lines) + "\n"


def plot(work: Work, rows: dict[str, dict[str, float | None]], path: Path) -> None:
    """Bars: all tokens per second, the candidates' own in full colour."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
    names = list(rows)
    axes.barh(names, [rows[n]["all_tokens_per_s"] or 0.0 for n in names], color="#c9d7e8")
    axes.barh(names, [rows[n]["tokens_per_s"] or 0.0 for n in names], color="#2b5c8a")
    axes.invert_yaxis()
    axes.set_xlabel("tokens/s: candidates' own, and what graders had written")
    axes.set_title(f"{work.engine['kind']}, {work.recipe}, {work.candidates} candidates")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def units() -> int:
    """GPUs, or cores where there is none."""
    import torch

    return torch.cuda.device_count() or len(os.sched_getaffinity(0))
