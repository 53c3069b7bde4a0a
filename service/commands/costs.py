"""`winnow costs`: what batches have cost, a row for each tenant and currency."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.endings import told_in_one_line

if TYPE_CHECKING:
    from service.settings import Settings

Json = dict[str, Any]


def costs(
    url: Annotated[
        str | None, typer.Option(help="Ask this gateway; it tells a tenant its own.")
    ] = None,
    db: Annotated[
        str | None, typer.Option(help="Database URL; else that of the configuration.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a row, with every figure.")
    ] = False,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    r"""Sum up what batches have cost: tokens, engine-seconds, money, for each tenant.

    Tenants are configured under \[tenants] and get their keys by [bold]winnow key[/bold]; batches
    that nobody's key asked for stand in a row of their own.

    Example: [bold]winnow costs --db sqlite:///winnow.db[/bold]
    """
    with told_in_one_line():
        from service.settings import load_settings
        from service.sources import InputError

        if url and db:
            raise InputError("--db is for this machine; a gateway has its own")
        settings = load_settings(config, database_url=db)
        rows = asyncio.run(_there(url, settings)) if url else _here(settings)
        if as_json:
            _print_lines(rows)
        else:
            _print_table(rows)


async def _there(url: str, settings: "Settings") -> list[Json]:
    from service.client import GatewayClient

    async with GatewayClient(url, settings.client_key) as client:
        return await client.costs()


def _here(settings: "Settings") -> list[Json]:
    from service.sources import check_database
    from service.views import cost_rows
    from workers.store import SqlStore

    check_database(settings.database_url)
    store = SqlStore(settings.database_url, settings.graders.novelty)
    try:
        return cost_rows(store.spendings())
    finally:
        store.close()


def _print_lines(rows: list[Json]) -> None:
    from workers.export import encode_row

    for row in rows:
        typer.echo(encode_row(row), nl=False)


def _print_table(rows: list[Json]) -> None:
    from rich.console import Console

    from service.display import cost_table

    if not rows:
        typer.echo("no batch was asked for yet", err=True)
        return
    Console(highlight=False).print(cost_table(rows))
