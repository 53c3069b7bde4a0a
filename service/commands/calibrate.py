"""`winnow calibrate`: labelled texts in, a calibration out that certifies error rates."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.endings import told_in_one_line

if TYPE_CHECKING:
    from graders.calibration.labelled import LabelledRow
    from graders.calibration.scored_set import Grading
    from service.settings import Settings

Json = dict[str, Any]
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)


def calibrate(
    rows: Annotated[
        str, typer.Option("--in", help="Labelled rows, JSON lines: a file, or - for stdin.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where the calibration goes (.json); else only the table.")
    ] = None,
    grader: Annotated[str, typer.Option(help="The grader to calibrate.")] = "consistency",
    recipe: Annotated[
        str | None, typer.Option(help="The recipe that wrote the texts; they are parsed as its.")
    ] = None,
    alpha: Annotated[
        list[float] | None, typer.Option(help="An error rate for the table; may be repeated.")
    ] = None,
    delta: Annotated[float, typer.Option(help="One minus the confidence.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of the split by source, for the table only.")] = 0,
    name: Annotated[str | None, typer.Option(help="What certificates call the set.")] = None,
    drop_contradictions: Annotated[
        bool, typer.Option("--drop-contradictions", help="Leave out texts labelled both ways.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw risk against coverage to this picture (.png, .svg).")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Have this model asked, as the gate of its batches does.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Find out which error rates can be guaranteed, and at what yield.

    A row is one of `winnow grade` with a label: "label": "consistent" or "inconsistent",
    "correct" or "wrong", true or false (true is right); or "correct": true/false; or "wrong":
    true/false. Rows that are results of `winnow grade` already, with a label and a "source_id",
    are not graded again. Label what the generator writes, as it comes: a certificate holds for
    texts like these, and for other models' batches it is refused, if rows name the "model" that
    wrote them. Rows of one source are kept together by "source_id" and by the source's text.

    Name the file in winnow.toml, [bold]calibrations.essay = "essay.json"[/bold]; then a request
    may say [bold]"gate": {"max_error_rate": 0.05}[/bold].

    Example: [bold]winnow calibrate --in labelled.jsonl --out essay.json --recipe essay[/bold]
    """
    with told_in_one_line():
        from graders.calibration.labelled import read_labelled
        from service.calibrating import check_set
        from service.schemas import model_name
        from service.settings import settings_for
        from service.sources import InputError, called, read_objects

        alphas = sorted(alpha or RATES)
        if not all(0 < value < 1 for value in (*alphas, delta)):
            raise InputError("--alpha and --delta must lie between 0 and 1, as 0.05")
        settings = settings_for(model, config)
        if model is not None:
            model_name(model, settings)
        placed = ((f"{called(rows)}, line {number}", row) for number, row in read_objects(rows))
        labelled, notices = read_labelled(placed, recipe or "", drop_contradictions)
        check_set(labelled, alphas[-1], delta)
        asked: Json = {
            "grader": grader,
            "recipe": recipe or "",
            "model": model,
            "alphas": alphas,
            "delta": delta,
            "seed": seed,
            "name": name or ("stdin" if rows == "-" else Path(rows).stem),
        }
        asyncio.run(_calibrate(settings, labelled, notices, asked, out, plot))


async def _calibrate(
    settings: "Settings",
    rows: "list[LabelledRow]",
    notices: list[str],
    asked: Json,
    out: Path | None,
    plot: Path | None,
) -> None:
    from graders.calibration.scored_set import write_scored_set
    from service.calibrating import answers, curve_of, scored_set
    from service.calibration_report import answer_table, plot_curve
    from service.certificates import asks_model, grading_by
    from service.display import stderr_console

    console = stderr_console()
    grading = grading_by(settings, asked["grader"], asked["model"])
    if not grading.model and asks_model(grading.grader, grading.options):
        notices.append(
            f"{grading.grader} may ask the model in a batch, and asked none here: a batch is "
            "certified only if its gate asks none either. Name it by --model, or configure that "
            "none is asked"
        )
    if not any(row.generator for row in rows):
        notices.append(
            "no row names the 'model' that wrote its text: certificates will say that they assume "
            "it to be the batch's"
        )
    scores = await _score(settings, rows, grading, asked["model"])
    scored = scored_set(rows, scores, grading, name=asked["name"], recipe=asked["recipe"])
    found = answers(scored, asked["alphas"], asked["delta"], asked["seed"])
    if plot:
        plot_curve(plot, curve_of(scored, asked["delta"], asked["seed"]), found, scored.name)
    if out:
        write_scored_set(out, scored)
    for notice in notices:
        console.print(f"note: {notice}", soft_wrap=True)
    wrong, ungraded = sum(not row.right for row in rows), scores.count(None)
    console.print(
        f"{len(rows)} texts of {len({row.source for row in rows})} sources, {wrong} of them wrong"
        f"; {grading.grader} {grading.version} gave {ungraded} no score",
        soft_wrap=True,
    )
    console.print(answer_table(found, grading.grader))


async def _score(
    settings: "Settings", rows: "list[LabelledRow]", grading: "Grading", model: str | None
) -> list[float | None]:
    from rich.progress import Progress

    from graders.row_grader import RowGrader
    from service.calibrating import score_rows
    from service.display import stderr_console
    from workers.engines.pool import EnginePool
    from workers.producer import engine_complete
    from workers.recipes import known_recipes

    console = stderr_console()
    engines = EnginePool(settings.models)
    try:
        complete = None
        if model is not None:
            complete = engine_complete(await engines.get(model))
        grader = RowGrader(
            settings.graders,
            complete,
            models=engines.model,
            graders=[grading.grader],
            recipes=known_recipes(settings.recipe_files),
        )
        try:
            with Progress(console=console, disable=not console.is_terminal) as bar:
                task = bar.add_task("grading", total=len(rows))
                return await score_rows(
                    rows, grading, grader, lambda done: bar.update(task, completed=done)
                )
        finally:
            await grader.aclose()
    finally:
        await engines.aclose()
