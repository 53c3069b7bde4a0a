"""`winnow calibrate`: labelled texts in, a calibration out that certifies error rates."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.endings import told_in_one_line

if TYPE_CHECKING:
    from graders.base import Complete
    from graders.calibration.labelled import LabelledRow
    from graders.calibration.scored_set import Grading
    from service.settings import Settings

Json = dict[str, Any]


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
        bool, typer.Option("--drop-contradictions", help="Count texts labelled both ways as wrong.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw risk against coverage to this picture (.png, .svg).")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Have this model asked, as the gate of its batches does. With --recipe, if not "
            "given: the default model, where the grader may ask one."
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Ask no model; without --recipe this is the default.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(help="Have this gateway grade the rows and keep the calibration."),
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
    may say [bold]"gate": {"max_error_rate": 0.05}[/bold]. Or give --url: the gateway keeps the
    calibration for the caller's batches of the recipe, in the place of the one before.

    Example: [bold]winnow calibrate --in labelled.jsonl --out essay.json --recipe essay[/bold]
    """
    with told_in_one_line():
        from graders.calibration.labelled import read_labelled
        from service.calibrating import check_set
        from service.calibrations import RATES
        from service.settings import settings_for
        from service.sources import InputError, called, read_objects

        if model and no_model:
            raise InputError("--model and --no-model exclude each other; keep one")
        alphas = sorted(alpha or RATES)
        if not all(0 < value < 1 for value in (*alphas, delta)):
            raise InputError("--alpha and --delta must lie between 0 and 1, as 0.05")
        if url:
            local = {"--out": out, "--plot": plot, "--alpha": alpha, "--seed": seed}
            _check_for_gateway({**local, "--no-model": no_model}, recipe)
        settings = settings_for(None if url else model, config)
        objects = list(read_objects(rows))
        placed = ((f"{called(rows)}, line {number}", row) for number, row in objects)
        labelled, notices = read_labelled(placed, recipe or "", drop_contradictions)
        check_set(labelled, alphas[-1], delta)
        asked: Json = {
            "grader": grader,
            "recipe": recipe or "",
            "model": model,
            "name": name or ("stdin" if rows == "-" else Path(rows).stem),
        }
        if url:
            asked |= {"drop_contradictions": drop_contradictions, "confidence": 1.0 - delta}
            asked["rows"] = [row for _, row in objects]
            asyncio.run(_calibrate_there(url, settings.client_key, asked))
            return
        asked["model"] = _model(settings, asked, labelled, no_model, notices)
        asked |= {"alphas": alphas, "delta": delta, "seed": seed}
        asyncio.run(_calibrate(settings, labelled, notices, asked, out, plot))


def _check_for_gateway(local: Json, recipe: str | None) -> None:
    """Raise InputError for an option that a gateway has no use for, or without a recipe."""
    from service.sources import InputError

    given = ", ".join(option for option, value in local.items() if value)
    if given:
        raise InputError(
            f"{given} can't go with --url: the gateway keeps the calibration, grades as its "
            "batches do and answers for error rates of its own; leave out one or the other"
        )
    if recipe is None:
        raise InputError("--url needs --recipe: a gateway keeps one calibration for each recipe")


def _model(
    settings: "Settings",
    asked: Json,
    rows: "list[LabelledRow]",
    no_model: bool,
    notices: list[str],
) -> str | None:
    """The model to ask: the one named, else, where a recipe is, the one that batches would."""
    from service.calibrating import model_of_batches
    from service.schemas import model_name

    if asked["model"] is not None:
        return model_name(asked["model"], settings)
    if no_model or not asked["recipe"]:
        return None
    model = model_of_batches(settings, asked["grader"], rows)
    if model is not None:
        notices.append(
            f"{asked['grader']} asks {model}, as in batches that name no model; --no-model asks "
            "none"
        )
    return model


async def _calibrate_there(url: str, key: str | None, asked: Json) -> None:
    from service.client import GatewayClient

    async with GatewayClient(url, key) as client:
        found = await client.calibrate(**asked)
    _tell(found, found["notices"])


async def _calibrate(
    settings: "Settings",
    rows: "list[LabelledRow]",
    notices: list[str],
    asked: Json,
    out: Path | None,
    plot: Path | None,
) -> None:
    from graders.calibration.scored_set import write_scored_set
    from service.calibrating import answers, curve_of, notices_of, scored_set
    from service.calibration_report import plot_curve
    from service.calibrations import described
    from service.certificates import grading_by

    grading = grading_by(settings, asked["grader"], asked["model"])
    scores = await _score(settings, rows, grading, asked["model"])
    scored = scored_set(rows, scores, grading, name=asked["name"], recipe=asked["recipe"])
    found = answers(scored, asked["alphas"], asked["delta"], asked["seed"])
    if plot:
        plot_curve(plot, curve_of(scored, asked["delta"], asked["seed"]), found, scored.name)
    if out:
        write_scored_set(out, scored)
    _tell(described(scored, found), [*notices, *notices_of(rows, grading)])


def _tell(found: Json, notices: list[str]) -> None:
    from service.calibration_report import answer_table, summary
    from service.display import stderr_console

    console = stderr_console()
    for line in (*(f"note: {notice}" for notice in notices), summary(found)):
        console.print(line, soft_wrap=True, markup=False)
    console.print(answer_table(found))


async def _score(
    settings: "Settings", rows: "list[LabelledRow]", grading: "Grading", model: str | None
) -> list[float | None]:
    from rich.progress import Progress

    from service.calibrating import opened_grader, score_rows
    from service.display import stderr_console
    from workers.engines.pool import EnginePool
    from workers.producer import engine_complete
    from workers.recipes import known_recipes

    console = stderr_console()
    engines, recipes = EnginePool(settings.models), known_recipes(settings.recipe_files)
    try:

        async def ask() -> "Complete":
            return engine_complete(await engines.get(model or ""))

        async with opened_grader(
            settings, engines.model, recipes, rows, grading, ask if model else None
        ) as grader:
            with Progress(console=console, disable=not console.is_terminal) as bar:
                task = bar.add_task("grading", total=len(rows))
                return await score_rows(
                    rows, grading, grader, lambda done: bar.update(task, completed=done)
                )
    finally:
        await engines.aclose()
