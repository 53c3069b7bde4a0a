"""`winnow key`: a new API key for a tenant of the gateway."""

from typing import Annotated

import typer

from service.commands.endings import told_in_one_line


def key(
    tenant: Annotated[str, typer.Argument(help="Who is to have it: letters, digits, . _ -")],
) -> None:
    """Make a key, and say what to put into winnow.toml for it.

    The key is printed to stdout, once, and kept nowhere; the configuration holds its SHA-256.
    Once there is a tenant the gateway answers nobody without a key, and each sees their own
    batches only.

    Example: [bold]winnow key acme[/bold]
    """
    with told_in_one_line():
        from pydantic import TypeAdapter, ValidationError

        from service.sources import InputError
        from service.tenants import TenantName, hash_of, new_key

        try:
            name = TypeAdapter(TenantName).validate_python(tenant)
        except ValidationError as exc:
            raise InputError(
                f"{tenant!r} is no name for a tenant: up to 64 letters, digits, '.', '_' and '-', "
                "a letter or digit first"
            ) from exc
        made = new_key()
        typer.echo("add to winnow.toml, and start the gateway anew:", err=True)
        typer.echo(f'\n[tenants."{name}"]\nkey_sha256 = ["{hash_of(made)}"]\n', err=True)
        typer.echo("the key, for WINNOW_API_KEY or `Authorization: Bearer KEY`:", err=True)
        typer.echo(made)
