"""`winnow train-tiny`: trains the small model that ships, from a seed, on composed text."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.endings import FAILED, stop


def train_tiny(
    out: Annotated[
        Path, typer.Option(help="Folder for the checkpoint; an interrupted run resumes.")
    ],
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed and machine, same weights.")] = 0,
    layers: Annotated[int | None, typer.Option(min=1, help="Transformer layers.")] = None,
    hidden_size: Annotated[int | None, typer.Option(min=32, help="Width.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=256, help="Tokens per step.")] = None,
) -> None:
    """Train winnow-tiny and write an ordinary Hugging Face checkpoint.

    Uses a GPU when there is one; on a CPU count on an hour or two.

    Example: [bold]winnow train-tiny --out my-tiny --steps 4500[/bold]
    """
    try:
        from workers.tiny.train import LOG_FILE, TrainConfig, train
    except ImportError as exc:
        raise stop(f"training needs {exc.name}: pip install 'winnow[train]'", FAILED) from exc
    options = {
        "steps": steps,
        "layers": layers,
        "hidden_size": hidden_size,
        "batch_tokens": batch_tokens,
    }
    try:
        config = TrainConfig(seed=seed, **{k: v for k, v in options.items() if v is not None})
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    began = time.monotonic()
    try:
        with _reported(config.steps) as report:
            train(config, out, report)
    except ValueError as exc:
        raise stop(str(exc), FAILED) from exc
    weights = out / "model.safetensors"
    parameters = _summary(out / LOG_FILE)
    typer.echo(
        f"{out}: {parameters / 1e6:.2f}M parameters, {weights.stat().st_size / 1e6:.1f} MB, "
        f"{time.monotonic() - began:.0f} s",
        err=True,
    )


def _summary(log: Path) -> int:
    import orjson

    return int(orjson.loads(log.read_bytes())["parameters"])


@contextmanager
def _reported(steps: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Gives the `report` function: it moves a bar on a terminal, and prints lines elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from service.display import stderr_console

    console = stderr_console()
    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=steps)

        def report(entry: dict[str, Any]) -> None:
            words = _describe(entry)
            bar.update(task, completed=entry["step"], description=words)
            if not console.is_terminal or "held_out" in entry:
                console.print(f"step {entry['step']}/{steps}: {words}", soft_wrap=True)

        yield report


def _describe(entry: dict[str, Any]) -> str:
    """`loss 1.203 · 15,000 tokens/s`, or the held-out losses."""
    if "held_out" in entry:
        held_out = entry["held_out"]
        parts = held_out.items() if isinstance(held_out, dict) else [("all", held_out)]
        return "held-out loss " + ", ".join(f"{name} {loss:.3f}" for name, loss in parts)
    return f"loss {entry['loss']:.3f} · {entry['tokens_per_s']:,.0f} tokens/s"
