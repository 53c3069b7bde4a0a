"""`winnow export`: what a batch holds, from a database or a gateway, to a file, a pipe, the Hub."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.endings import told_in_one_line

if TYPE_CHECKING:
    from service.held_batch import HeldBatch


def export(
    batch: Annotated[str, typer.Argument(help="The id of a batch.")],
    out: Annotated[
        str | None,
        typer.Option(
            help="A .jsonl or .parquet file (replaced when whole), or - for stdout. A certificate "
            "is left beside it, as FILE.certificate.json."
        ),
    ] = None,
    rejects: Annotated[
        bool, typer.Option("--rejects", help="Instead, what was kept out, with the evidence.")
    ] = False,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            help="Push samples, rejects and a card to this dataset of the Hugging Face Hub, as "
            "org/name; a new one is private."
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(help="The gateway that has the batch.")] = None,
    db: Annotated[
        str | None, typer.Option(help="Database URL; else that of the configuration.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Write the samples of a batch, or its rejects, as [bold]winnow generate[/bold] writes them.

    Of a batch that still runs, what there is by now. Without --out they go to stdout, as NDJSON.

    Example: [bold]winnow export batch_0123 --out essays.parquet[/bold]
    """
    with told_in_one_line():
        from service.held_batch import held_here, held_there
        from service.settings import load_settings
        from service.sources import InputError

        if rejects and push_to_hub and not out:
            raise InputError("--rejects is for --out: a push holds samples and rejects")
        if url and db:
            raise InputError("--db is for this machine; a gateway has its own")
        settings = load_settings(config, database_url=db)

        async def work() -> None:
            opened = (
                held_there(url, settings.client_key, batch) if url else held_here(settings, batch)
            )
            async with opened as held:
                if out or not push_to_hub:
                    await _write(held, out or "-", rejects)
                if push_to_hub:
                    await _push(held, push_to_hub)

        asyncio.run(work())


async def _write(held: "HeldBatch", out: str, rejects: bool) -> None:
    from service.certificate_file import leave_certificate
    from workers.export import open_export

    count = 0
    with open_export(out) as export:
        async for line in held.rejects() if rejects else held.samples():
            export.write(line)
            count += 1
    if not rejects:
        leave_certificate(out, held.state["certificate"])
    what = "rejects" if rejects else "samples"
    typer.echo(f"{held.state['id']} ({held.state['status']}): {count} {what}", err=True)


async def _push(held: "HeldBatch", name: str) -> None:
    from service.hub import push

    typer.echo(f"{held.state['id']}: pushed to {await push(held, name)}", err=True)
