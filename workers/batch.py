"""A batch job from one file: `winnow batch config.yaml`, or on a cluster
`ray job submit -- python -m workers.batch config.yaml`. The same file finishes what was broken off.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from graders.errors import GraderConfigError, GraderError
from workers.batch_config import EXAMPLE, GatedConfig, GenerateConfig, load_job
from workers.batch_progress import JobProgress
from workers.dataset_card import dataset_card
from workers.errors import (
    EngineUnavailableError,
    ExportError,
    RecipeError,
    SpecError,
    WorkerError,
)
from workers.gated_job import run_gated
from workers.inputs import list_pieces
from workers.output_folder import CARD, Counts, OutputFolder
from workers.plain_pass import PassConfig, RunPass, check_pass, input_of, run_pass

DONE, FAILED, BAD_INPUT, SHORTFALL, INTERRUPTED = 0, 1, 2, 3, 130
COLLECT_EVERY = 20_000
"""Objects made between two looks for cycles, of which a job leaves few: at Python's own 700 the
looking is a twelfth of its CPU time.
"""
RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets this variable for the entry point of a job."""
Done = TypeVar("Done")
HELP = """\
Runs the job that a YAML file describes. `mode: batch` asks for N samples and gets N that passed;
`mode: generate` makes one candidate for each source and `mode: grade` judges each row of a
dataset, both in one pass. The output is a folder, local or on S3-like storage: data/*.parquet holds
what passed, rejects/*.parquet the rest with reasons, README.md says how it was made.

Interrupted or killed, a job goes on when the same file is run again. Exit codes: 0 done, 1 failed,
2 bad input, 3 fewer samples than asked for, 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of `python -m workers.batch`; the exit code."""
    parser = argparse.ArgumentParser(
        "workers.batch", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="a YAML file; --example prints one")
    parser.add_argument("--example", action="store_true", help="print a file to begin with")
    given = parser.parse_args(arguments)
    if given.example:
        print(EXAMPLE, end="")
        return DONE
    if given.config is None:
        parser.error("name a config file; --example prints one")
    return run_process(given.config)


def run_process(path: str) -> int:
    """`run_file`, as all that this process does; the exit code."""
    gc.set_threshold(COLLECT_EVERY)
    try:
        return run_file(path)
    finally:
        gc.freeze()  # a process that ends need not look for cycles, which takes it 0.2 s


def run_file(path: str) -> int:
    """Run the job of this file; what goes wrong is told in one line on stderr. The exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        config = load_job(path)
        _check_places(config)
        if isinstance(config, GatedConfig):
            return _gated(config)
        return _pass(config)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _stop("interrupted; run the same file again to go on", INTERRUPTED)
    except (SpecError, RecipeError, GraderConfigError, ExportError) as exc:
        return _stop(str(exc), BAD_INPUT)
    except (WorkerError, GraderError) as exc:
        return _stop(f"{exc}; run the same file again to go on", FAILED)


def _gated(config: GatedConfig) -> int:
    with JobProgress(config.count) as progress:
        record = asyncio.run(_until_terminated(run_gated(config, progress)))
    accepted = record.progress.accepted
    if accepted >= config.count:
        return DONE
    message = f"{config.count - accepted} short: {record.message or record.stop_reason}"
    return _stop(f"{message}. The batch has ended; a new `out` asks again", SHORTFALL)


def _pass(config: PassConfig) -> int:
    check_pass(config)
    pieces = list_pieces(input_of(config))
    folder = OutputFolder(config.out)
    folder.claim(config.key, config.model_dump(mode="json"))
    finished = folder.finished_parts()
    total = folder.counts()
    with JobProgress() as progress:
        progress.event("started", out=config.out, finished_parts=len(finished), pieces=len(pieces))

        def on_counts(counts: Counts) -> None:
            nonlocal total
            total += counts
            progress.update(total)

        work = _pass_of(config)(config, pieces, finished, on_counts)
        asyncio.run(_until_terminated(work))
        total = folder.counts()
        folder.write(CARD, _pass_card(config, total).encode())
        progress.event("finished", **asdict(total), out=config.out)
    return DONE


def _pass_of(config: PassConfig) -> RunPass:
    """The pass on the configured backend. Raises EngineUnavailableError without Ray."""
    if config.backend.kind == "local":
        return run_pass
    try:
        from workers.backends import ray_data
    except ModuleNotFoundError as exc:
        raise EngineUnavailableError(
            f"the ray backend needs {exc.name}: pip install 'winnow[ray]'"
        ) from exc
    return ray_data.run_pass


async def _until_terminated(work: Coroutine[Any, Any, Done]) -> Done:
    """Run this to its end; SIGTERM cancels it as Ctrl-C does, and it winds up in good order."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _check_places(config: GatedConfig | PassConfig) -> None:
    """Refuse relative paths in a Ray job: it runs in a copy of the folder that is thrown away."""
    if RAY_JOB not in os.environ:
        return
    places = {"out": config.out}
    if isinstance(config, GatedConfig):
        places["database"] = config.database_url.removeprefix("sqlite:///")
    for key, place in places.items():
        if "://" not in place and not os.path.isabs(place):
            raise SpecError(
                f"{key}: {place} is relative, and a Ray job runs in a copy of your folder that is "
                "thrown away; name an absolute path on shared storage, or a URL"
            )


def _pass_card(config: PassConfig, counts: Counts) -> str:
    source = input_of(config)
    made = isinstance(config, GenerateConfig)
    model = config.model_name if made else config.model
    facts = {
        "mode": config.mode,
        "recipe": config.recipe or "none",
        "model": f"{model} ({config.models[model].model})" if model else "none was asked",
        "read from": f"{source.path or source.dataset}",
        "seed": config.seed if isinstance(config, GenerateConfig) else None,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    note = "Novelty was not judged: rows were not compared with each other."
    title = f"{config.recipe or 'rows'}, {'generated' if made else 'graded'} in one pass"
    return dataset_card(title, counts, known, [note])


def _stop(message: str, code: int) -> int:
    print(f"winnow: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
