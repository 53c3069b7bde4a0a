"""`winnow protect`: texts, such as the items of a benchmark, that nothing admitted may repeat."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.endings import told_in_one_line

if TYPE_CHECKING:
    from service.settings import Settings
    from workers.store import SqlStore
    from workers.store.protected import ProtectedSet


def protect(
    file: Annotated[
        Path | None,
        typer.Argument(help="Items to protect: .jsonl, .parquet or .txt (one item a line)."),
    ] = None,
    field: Annotated[str, typer.Option(help="Field that holds an item's text.")] = "text",
    name: Annotated[
        str | None, typer.Option(help="What to call the set; else the file's name.")
    ] = None,
    list_sets: Annotated[bool, typer.Option("--list", help="Show what is protected.")] = False,
    remove: Annotated[str | None, typer.Option(help="Name of a set to forget.")] = None,
    db: Annotated[
        str | None, typer.Option(help="Database URL; else that of the configuration.")
    ] = None,
    database: Annotated[str | None, typer.Option(hidden=True)] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Keep benchmark items out of everything that this database's batches admit.

    Each item is compared by near-duplicates, by words in a row, and, with the extra `semantic`
    installed, by meaning, so that rephrased items are found. A refusal names the item.

    Example: [bold]winnow protect gsm8k_test.jsonl --field question[/bold]
    """
    with told_in_one_line():
        from service.settings import load_settings
        from service.sources import InputError

        if sum((file is not None, list_sets, remove is not None)) != 1:
            raise InputError("name one thing to do: a FILE to protect, --list or --remove NAME")
        settings = load_settings(config, database_url=db or database)
        if file is not None:
            _protect(settings, file, field, name or file.stem)
        elif remove is not None:
            _remove(settings, remove)
        else:
            _list(settings)


def _protect(settings: "Settings", file: Path, field: str, name: str) -> None:
    from service.protected_files import read_items

    items = read_items(file, field)
    typer.echo(f"{file}: indexing {len(items)} items", err=True)
    store = _open(settings)
    try:
        made = store.protect(name, items)
    finally:
        store.close()
    typer.echo(_described(made), err=True)
    if not made.embedded:
        from graders.novelty.minilm import missing

        why = missing() or "novelty.semantic is off"
        typer.echo(f"rephrased items will not be found: {why}", err=True)


def _remove(settings: "Settings", name: str) -> None:
    store = _open(settings)
    try:
        store.unprotect(name)
    finally:
        store.close()
    typer.echo(f"{name}: no longer protected", err=True)


def _list(settings: "Settings") -> None:
    store = _open(settings)
    try:
        sets = store.protected_sets()
    finally:
        store.close()
    for each in sets:
        typer.echo(_described(each))
    if not sets:
        typer.echo("nothing is protected", err=True)


def _open(settings: "Settings") -> "SqlStore":
    from workers.store import SqlStore

    return SqlStore(settings.database_url, settings.graders.novelty)


def _described(each: "ProtectedSet") -> str:
    meant = "by words and meaning" if each.embedded else "by words"
    return f"{each.name}: {each.items} items, compared {meant}"
