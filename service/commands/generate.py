"""`winnow generate`: a batch, in this process or at a gateway, to a file or a pipe."""

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.commands.endings import INTERRUPTED, SHORTFALL, stop, told_in_one_line

if TYPE_CHECKING:
    from service.orders import Order
    from service.progress import BatchProgress
    from workers.export import Export

OnExhausted = Literal["return_partial", "fail"]
Json = dict[str, Any]


def generate(
    recipe: Annotated[
        str | None, typer.Option(help="essay, problem_set, dialogue, answer, or one of your own.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="How many samples must pass.")] = None,
    sources: Annotated[
        str | None,
        typer.Option(help="What to write from: a .txt or .jsonl file, a folder of .txt, or -."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="A .jsonl or .parquet file (replaced when whole), or - for stdout. A certificate "
            "is left beside it, as FILE.certificate.json."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A configured model, a checkpoint folder or one of the Hub as org/name."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same draws.")] = 0,
    url: Annotated[
        str | None, typer.Option(help="Ask this gateway instead of this process.")
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Finish the batch with this id.")] = None,
    max_candidates: Annotated[int | None, typer.Option(help="Stop after so many drawn.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Stop after so many, prompts too.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
    max_money: Annotated[
        float | None, typer.Option(help="Stop when it has cost so much; needs a price.")
    ] = None,
    on_exhausted: Annotated[
        OnExhausted, typer.Option(help="On a shortfall, write what there is, or nothing.")
    ] = "return_partial",
    threshold: Annotated[
        list[str] | None, typer.Option(help="Least score that passes, as consistency=0.9.")
    ] = None,
    max_error_rate: Annotated[
        float | None,
        typer.Option(help="Largest share wrong among what passes, as 0.05; needs a calibration."),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="How sure that must be; 0.95 if not given.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="The calibration of this recipe, over the configured one.")
    ] = None,
    protect: Annotated[
        list[Path] | None, typer.Option(help="Texts that must not be repeated (.txt, .jsonl).")
    ] = None,
    rejects: Annotated[
        str | None, typer.Option(help="Also write what was kept out, with evidence, to this file.")
    ] = None,
    recipe_file: Annotated[
        list[Path] | None, typer.Option(help="A file with a RECIPE of your own.")
    ] = None,
    db: Annotated[str | None, typer.Option(help="Database URL, e.g. sqlite:///winnow.db.")] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Ask for N samples and get N that passed.

    Samples come in the order they were drawn; an interrupted run is finished by --resume. On a
    pipe stdout is NDJSON. Exit code 3 says that there are fewer than asked for, and stderr why.

    Example: [bold]winnow generate --recipe essay --count 10 --sources sheets.jsonl
    --out essays.jsonl[/bold]
    """
    with told_in_one_line():
        from service.orders import Order, read_thresholds

        budget = {
            "max_candidates": max_candidates,
            "max_tokens": max_tokens,
            "max_seconds": max_seconds,
            "max_money": max_money,
        }
        _carry_out(
            Order(
                recipe=recipe,
                count=count,
                sources=sources,
                model=model,
                seed=seed,
                budget=budget,
                on_exhausted=on_exhausted,
                thresholds=read_thresholds(threshold or []),
                protect=tuple(protect or ()),
                recipe_files=tuple(recipe_file or ()),
                out=out,
                rejects=rejects,
                url=url,
                db=db,
                config=config,
                resume=resume,
                max_error_rate=max_error_rate,
                confidence=confidence,
                calibration=calibration,
            )
        )


def _carry_out(order: "Order") -> None:
    from service.certificate_file import leave_certificate
    from service.display import account, stderr_console
    from service.progress import BatchProgress
    from workers.export import open_export

    console = stderr_console()
    out = order.out or (None if sys.stdout.isatty() else "-")
    request = order.resume or order.request()
    with ExitStack() as stack:
        export = stack.enter_context(open_export(out)) if out else None
        rejects = stack.enter_context(open_export(order.rejects)) if order.rejects else None
        bar = stack.enter_context(BatchProgress(console))
        watcher = _Watcher(order, export, rejects, bar)
        batch, interrupted = _run(order, request, watcher)
        short = batch["count"] - batch["request_counts"]["accepted"]
        withheld = short and not interrupted and batch["on_exhausted"] == "fail"
        if withheld and export:
            export.discard()
    console.print(account(batch), soft_wrap=True, markup=False)
    if not withheld:
        leave_certificate(order.out, batch["certificate"])
    if interrupted:
        raise stop(f"interrupted; what was admitted is kept. {_how_on(order, batch)}", INTERRUPTED)
    if short:
        raise stop(f"{short} short: {batch['message'] or batch['stop_reason']}", SHORTFALL)


def _run(order: "Order", request: "Json | str", watcher: "_Watcher") -> tuple[Json, bool]:
    """The batch as it ended, or as it was last seen when Ctrl-C came first."""
    try:
        return asyncio.run(order.run(request, watcher)), False
    except KeyboardInterrupt:
        if watcher.last is None:
            raise
        return watcher.last, True


def _how_on(order: "Order", batch: Json) -> str:
    if order.url:
        return "The batch was cancelled at the gateway."
    return f"Finish it by:\n  {order.resume_command(batch['id'])}"


class _Watcher:
    """Writes what comes and shows how far the batch is."""

    def __init__(
        self,
        order: "Order",
        export: "Export | None",
        rejects: "Export | None",
        bar: "BatchProgress",
    ) -> None:
        self.wants_rejects = rejects is not None
        self.last: Json | None = None
        self._order, self._export, self._rejects, self._bar = order, export, rejects, bar

    def batch(self, batch: Json) -> None:
        if self.last is None:
            what = f"{batch['count']} of {batch['recipe']} by {batch['model']}"
            self._bar.print(f"{batch['id']}: {what}")
            if not self._order.url:
                self._bar.print(f"resume: {self._order.resume_command(batch['id'])}")
        self.last = batch
        self._bar.update(batch)

    def sample(self, line: Json) -> None:
        if self._export is not None:
            self._export.write(line)
            return
        from service.display import render_sample

        self._bar.print(render_sample(line))

    def reject(self, line: Json) -> None:
        if self._rejects is not None:
            self._rejects.write(line)
