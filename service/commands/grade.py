"""`winnow grade`: judges texts that you already have, with the graders and gate of the batches."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.endings import told_in_one_line

if TYPE_CHECKING:
    from graders.row_grader import RowGrader
    from service.settings import Settings
    from workers.export import Export

Json = dict[str, Any]


def grade(
    rows: Annotated[
        str, typer.Option("--in", help="JSON lines to grade: a file, or - for stdin.")
    ] = "-",
    out: Annotated[
        str, typer.Option(help="A .jsonl or .parquet file (replaced when whole), or - for stdout.")
    ] = "-",
    graders: Annotated[
        str | None, typer.Option(help="Only these, as form,answers. Else what each row supports.")
    ] = None,
    protect: Annotated[
        list[Path] | None, typer.Option(help="Texts that must not be repeated (.txt, .jsonl).")
    ] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="Least score that passes, as consistency=0.9.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Ask this model too, as a second opinion and to solve problems again: a "
            "configured one such as winnow-tiny, a checkpoint folder or one of the Hub as org/name."
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Ask no model; this is the default.")
    ] = False,
    recipe_file: Annotated[
        list[Path] | None, typer.Option(help="A file with a RECIPE of your own.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Grade rows that you have; results come in the same order.

    A row is {"id", "text", "source"?, "question"?, "gold"?, "recipe"?}; a result is {"id",
    "verdict", "grades", "reasons"}. Every row is checked before the first is graded. Without
    --model no model is asked: a source or a gold answer is all that is held against a text, and a
    problem without a gold answer stays ungraded, so rejected. `POST /v1/grade` does the same.

    Example: [bold]winnow grade --in rows.jsonl --out graded.jsonl[/bold]
    """
    with told_in_one_line():
        from service.orders import read_thresholds
        from service.schemas import may_ask_model
        from service.settings import settings_for
        from service.sources import InputError, read_texts
        from workers.recipes import known_recipes

        if no_model and model:
            raise InputError("--model and --no-model exclude each other; keep one")
        names = [name.strip() for name in graders.split(",")] if graders is not None else None
        settings = settings_for(model, config)
        options: Json = {
            "graders": names,
            "thresholds": read_thresholds(threshold or []),
            "recipes": known_recipes([*settings.recipe_files, *(recipe_file or [])]),
            "protect": read_texts([*settings.protect_files, *(protect or [])]),
        }
        asked = model if may_ask_model(names) else None
        asyncio.run(_grade(settings, asked, options, rows, out))


async def _grade(
    settings: "Settings", model: str | None, options: Json, rows: str, out: str
) -> None:
    from graders.row_grader import RowGrader
    from service.schemas import model_name
    from workers.engines.pool import EnginePool
    from workers.export import open_export
    from workers.producer import engine_complete

    engines = EnginePool(settings.models)
    complete = None
    try:
        with open_export(out) as export:
            if model is not None:
                complete = engine_complete(await engines.get(model_name(model, settings)))
            for asked in settings.graders.models_of(options["graders"] or ()):
                await engines.get(engines.checked(asked))
            grader = RowGrader(settings.graders, complete, models=engines.model, **options)
            try:
                await _write_graded(grader, _checked(grader, rows), export)
            finally:
                await grader.aclose()
    finally:
        await engines.aclose()


def _checked(grader: "RowGrader", name: str) -> list[Json]:
    """Every row of the file, each one fit to be graded; raises InputError with the line if not."""
    from graders.errors import GraderConfigError
    from service.sources import InputError, called, read_objects

    rows: list[Json] = []
    for number, row in read_objects(name):
        try:
            grader.read(row, len(rows))
        except GraderConfigError as exc:
            reason = str(exc).removeprefix(f"row {len(rows) + 1}: ")
            raise InputError(f"{called(name)}, line {number}: {reason}") from exc
        rows.append(row)
    return rows


async def _write_graded(grader: "RowGrader", rows: list[Json], export: "Export") -> None:
    from collections import Counter

    from rich.progress import Progress

    from graders.row_grader import grade_rows
    from service.display import stderr_console

    console = stderr_console()
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("grading", total=len(rows))
        async for result in grade_rows(rows, grader):
            export.write(result)
            counts[result["verdict"]] += 1
            reasons.update({reason.partition(":")[0] for reason in result["reasons"]})
            bar.update(task, advance=1, description=f"{counts['accepted']} accepted")
    by = ", ".join(f"{grader} {count}" for grader, count in reasons.most_common())
    rejected = f"{counts['rejected']} rejected" + (f" (by grader: {by})" if by else "")
    total = f"{len(rows)} rows = {counts['accepted']} accepted + {rejected}"
    console.print(total, soft_wrap=True)
