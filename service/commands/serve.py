"""`winnow serve`: the HTTP gateway."""

from typing import Annotated, Literal

import typer

from service.commands.endings import told_in_one_line

LogLevel = Literal["debug", "info", "warning", "error"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    db: Annotated[
        str | None, typer.Option(help="Database URL, e.g. sqlite:///winnow.db or postgresql+…")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model for requests that name none: a configured one, a checkpoint folder or one "
            "of the Hub as org/name."
        ),
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="The least that is logged.")] = "info",
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Serve the HTTP gateway; batches left by an earlier run are resumed.

    Flags win over WINNOW_… variables, and these over winnow.toml.

    Example: [bold]winnow serve --port 8000[/bold], then open http://127.0.0.1:8000/docs
    """
    with told_in_one_line():
        from service.server import serve_gateway
        from service.settings import settings_for

        settings = settings_for(model, config, host=host, port=port, database_url=db)
        serve_gateway(settings, log_level=log_level, until_stdin_closes=until_stdin_closes)
