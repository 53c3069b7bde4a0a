"""`winnow serve`: the HTTP gateway."""

from typing import Annotated

import typer

from service.commands.endings import BAD_INPUT, stop, told_in_one_line, use_config


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    db: Annotated[
        str | None, typer.Option(help="Database URL, e.g. sqlite:///winnow.db or postgresql+…")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model for requests that name none; one of the configured.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Serve the HTTP gateway; batches left by an earlier run are resumed.

    Flags win over WINNOW_… variables, and these over winnow.toml.

    Example: [bold]winnow serve --port 8000[/bold], then open http://127.0.0.1:8000/docs
    """
    with told_in_one_line():
        use_config(config)
        from service.server import build_server
        from service.settings import load_settings

        settings = load_settings(host=host, port=port, database_url=db, default_model=model)
        server = build_server(settings, log_level)
    try:
        server.run()
    except OSError as exc:
        raise stop(f"can't listen on {settings.host}:{settings.port}: {exc}", BAD_INPUT) from exc
    if not server.started:
        raise typer.Exit(1)
