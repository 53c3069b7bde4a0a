"""What Winnow costs beside the bare engine: tokens and accepted samples per second, in one run.

    python -m benchmarks.throughput --help
    python -m benchmarks.throughput                                  # transformers, on any machine
    python -m benchmarks.throughput --engine vllm --candidates 512
    python -m benchmarks.throughput --engine vllm --model dummy:llama-3.1-8b --max-tokens 256

The same prompts are written by `model.generate` or `vllm.LLM`, by Winnow's engine alone, and
through the whole of Winnow with grading off, on, and on with early aborts. The bare engine and
Winnow are loaded side by side and take turns, so that the machine's moods hit all alike. With
--workers, batches run on Ray actors as well, to see how far they scale.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.throughput_arms import ABORTS, ARMS, BARE, ENGINE, OFF, ON, Work
from benchmarks.throughput_gpu import GpuWatch
from benchmarks.throughput_model import is_dummy, write_dummy

VLLM_MEMORY = 0.42
"""Of a GPU's memory, for each of the two engines that are loaded at once."""
DUMMY_CONTEXT = 4096


class Process:
    """One of benchmarks.throughput_arms, with its model loaded."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ready(self) -> None:
        """Wait for the model."""
        self._answer()

    def measure(self, arm: str) -> dict[str, Any]:
        """One run, as throughput_arms.Measured says it, and how busy the GPUs were."""
        assert self._process.stdin
        with GpuWatch() as gpus:
            print(arm, file=self._process.stdin, flush=True)
            measured: dict[str, Any] = json.loads(self._answer())
        return {**measured, "gpu_busy": gpus.mean}

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the engine's process has ended: see its messages above")
        return line


@contextmanager
def side_process(side: str, work: Work, workers: int | None = None) -> Iterator[Process]:
    """A process that holds `bare` or `winnow`, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.throughput_arms", side]
    process = subprocess.Popen(
        [*command, json.dumps(asdict(work)), json.dumps(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Process(process)
    finally:
        assert process.stdin
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):  # vLLM's own processes outlive the one they served
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure_arms(work: Work, runs: int) -> dict[str, list[dict[str, Any]]]:
    """Every arm `runs` times, in turn; the order is turned round every other time."""
    measured: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    with side_process(BARE, work) as bare:
        bare.ready()
        with side_process("winnow", work) as winnow:
            winnow.ready()
            for run in range(runs):
                for arm in ARMS if run % 2 == 0 else reversed(ARMS):
                    found = (bare if arm == BARE else winnow).measure(arm)
                    measured[arm].append(found)
                    print(f"{run + 1}/{runs} {arm}: {_rate(found):,.0f} tokens/s", flush=True)
    return measured


def measure_scaling(
    work: Work, workers: Sequence[int], runs: int
) -> dict[int, list[dict[str, Any]]]:
    """The whole of Winnow on so many Ray actors, each on one thread where it has no GPU."""
    measured = {}
    for count in workers:
        with side_process("winnow", work, count) as winnow:
            winnow.ready()
            measured[count] = [winnow.measure(ON) for _ in range(runs)]
        rate = statistics.median(map(_rate, measured[count]))
        print(f"{count} workers: {rate:,.0f} tokens/s", flush=True)
    return measured


def summarise(measured: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float | None]]:
    """Medians over the runs, and the ratio to the bare engine within each run.

    `overhead` is 1 minus the rate of all tokens, those that graders asked for included, over
    that of Winnow's engine alone: what is lost to everything but writing.
    """
    bare, engine = measured[BARE], measured[ENGINE]
    rows: dict[str, dict[str, float | None]] = {}
    for arm, runs in measured.items():
        grading = [run["grader_seconds"] / run["seconds"] for run in runs]
        firsts = [run["first_sample"] for run in runs if run["first_sample"] is not None]
        gpus = [run["gpu_busy"] for run in runs if run["gpu_busy"] is not None]
        rows[arm] = {
            "tokens_per_s": statistics.median(map(_rate, runs)),
            "of_bare": _ratio(runs, bare, _rate),
            "of_engine": _ratio(runs, engine, _rate),
            "all_tokens_per_s": statistics.median(map(_rate_of_all, runs)),
            "overhead": 1 - _ratio(runs, engine, _rate_of_all),
            "accepted_per_s": statistics.median(run["accepted"] / run["seconds"] for run in runs),
            "accepted": statistics.median(run["accepted"] for run in runs),
            "cpu_ms": statistics.median(1000 * r["cpu_seconds"] / r["candidates"] for r in runs),
            "grading_at_once": statistics.median(grading),
            "first_sample_s": statistics.median(firsts) if firsts else None,
            "gpu_busy": statistics.fmean(gpus) if gpus else None,
        }
    return rows


def _rate(run: dict[str, Any]) -> float:
    return float(run["tokens"] / run["seconds"])


def _rate_of_all(run: dict[str, Any]) -> float:
    return float((run["tokens"] + run["asked_tokens"]) / run["seconds"])


def _ratio(
    runs: Sequence[dict[str, Any]],
    base: Sequence[dict[str, Any]],
    rate: Callable[[dict[str, Any]], float],
) -> float:
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
            + (f"| {row['gpu_busy']:.0%} |" if row["gpu_busy"] is not None else "| |")
        )
    return "\n".join(lines) + "\n"


def scaling_table(measured: dict[int, list[dict[str, Any]]], units: int) -> str:
    """A line a number of workers; efficiency against what so many cores or GPUs allow."""
    rates = {count: statistics.median(map(_rate, runs)) for count, runs in measured.items()}
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


def _units() -> int:
    """GPUs, or cores where there is none."""
    import torch

    return torch.cuda.device_count() or len(os.sched_getaffinity(0))


def _work(given: argparse.Namespace, folder: Path) -> Work:
    """What to do; random weights are written to `folder` first."""
    dummy = is_dummy(given.model)
    arguments = json.loads(given.engine_args)
    model = given.model
    if dummy:
        path = write_dummy(model, folder / "checkpoint", weights=given.engine == "transformers")
        model = str(path)
    engine: dict[str, Any] = {"kind": given.engine, "model": model, "max_batch": given.batch}
    if given.engine == "vllm":
        if dummy:
            arguments = {"load_format": "dummy", "max_model_len": DUMMY_CONTEXT, **arguments}
        if _has_gpu():
            arguments = {"gpu_memory_utilization": VLLM_MEMORY, **arguments}
        engine["engine_args"] = arguments
    else:
        engine |= arguments
    return Work(
        engine, given.recipe, given.candidates, given.seed, dummy, given.max_tokens, given.apart
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument(
        "--model",
        default="winnow-tiny",
        help="a path, a Hub name, or dummy:NAME for random weights of an architecture: one in "
        "benchmarks/architectures, or a config.json",
    )
    parser.add_argument("--recipe", choices=["essay", "problem_set", "dialogue"], default="essay")
    parser.add_argument("--candidates", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64, help="requests decoded at once")
    parser.add_argument("--max-tokens", type=int, help="of a text; default: the recipe's")
    parser.add_argument("--engine-args", default="{}", help="JSON, passed to the engine")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="vLLM on a CPU only: graders ask the writing model nothing, the entailment model "
        "reads for them on the last core; both engines have the others",
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[], help="Ray actors, e.g. 1 2 4")
    parser.add_argument("--runs", type=int, default=3, help="of each arm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", help="of the files; default: engine and model")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.apart and (given.engine != "vllm" or given.workers or _has_gpu()):
        parser.error("--apart is for --engine vllm on a CPU, without --workers")
    return given


def main() -> None:
    """Measure, print, write JSON, table and plot."""
    given = _parse()
    name = Path(given.model.removeprefix("dummy:")).name
    apart = "_apart" if given.apart else ""
    label = given.label or f"throughput_{given.engine}_{name}{apart}"
    given.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        work = _work(given, Path(folder))
        measured = measure_arms(work, given.runs)
        one_thread = {} if _has_gpu() or given.engine == "vllm" else {"threads": 1}
        lone = replace(work, engine={**work.engine, **one_thread})
        scaling = measure_scaling(lone, given.workers, given.runs)
    rows = summarise(measured)
    text = table(work, rows)
    if scaling:
        text += "\n" + scaling_table(scaling, _units())
    print(text)
    report = {
        "environment": describe_environment(),
        "work": {**asdict(work), "engine": {**work.engine, "model": given.model}},
        "summary": rows,
        "runs": measured,
        "scaling": scaling,
    }
    write_result(given.out / f"{label}.json", report)
    (given.out / f"{label}.md").write_text(text)
    if find_spec("matplotlib"):  # not in every environment that runs vLLM
        plot(work, rows, given.out / f"{label}.png")
    else:
        print("no plot: pip install matplotlib")


if __name__ == "__main__":
    main()
