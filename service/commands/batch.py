"""`winnow batch`: a job from one file, here or on a Ray cluster."""

from typing import Annotated

import typer

from service.commands.endings import BAD_INPUT, stop


def batch(
    config: Annotated[
        str | None, typer.Argument(help="A YAML file; --example prints one to begin with.")
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a file and end.")] = False,
) -> None:
    """Run a job that one file describes; the same file finishes what was broken off.

    `mode: batch` asks for N samples and gets N that passed. `mode: generate` makes one candidate
    for each source, `mode: grade` judges each row of a dataset, both in one pass. Texts are read
    from JSON lines, Parquet, CSV, text files and Hugging Face datasets, local or on S3-like
    storage. The output is a folder: data/*.parquet holds what passed, rejects/*.parquet the rest
    with reasons, README.md says how it was made. Exit code 3 says that there are fewer than asked
    for.

    Example: [bold]winnow batch --example > job.yaml; winnow batch job.yaml[/bold]

    On a Ray cluster: [bold]ray job submit -- python -m workers.batch /shared/job.yaml[/bold]
    """
    if example:
        from workers.batch_config import EXAMPLE

        typer.echo(EXAMPLE, nl=False)
        return
    if config is None:
        raise stop("name a file; `winnow batch --example` prints one", BAD_INPUT)
    from workers.batch import run_process

    raise typer.Exit(run_process(config))
