"""`winnow key`: a new API key for a tenant of the gateway."""

from typing import Annotated

import typer

from service.commands.endings import told_in_one_line


def key(
    tenant: Annotated[
        str | None, typer.Argument(help="Who is to have it: letters, digits, . _ -")
    ] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="A key that sees all tenants, and /metrics.")
    ] = False,
) -> None:
    """Make a key, and say what to put into winnow.toml for it.

    The key is printed to stdout, once, and kept nowhere; the configuration holds its SHA-256.
    Once there is a tenant nothing under /v1/ is answered without a key, and each tenant sees
    their own batches only.

    Example: [bold]winnow key acme[/bold]
    """
    with told_in_one_line():
        from pydantic import TypeAdapter, ValidationError

        from service.sources import InputError
        from service.tenants import TenantName, hash_of, new_key

        if operator == (tenant is not None):
            raise InputError("say whose key it is to be: a tenant's name, or --operator")
        made = new_key()
        if tenant is None:
            lines = f'operator_key_sha256 = ["{hash_of(made)}"]        # above all [sections]'
        else:
            try:
                name = TypeAdapter(TenantName).validate_python(tenant)
            except ValidationError as exc:
                raise InputError(
                    f"{tenant!r} is no name for a tenant: up to 64 letters, digits, '.', '_' and "
                    "'-', a letter or digit first"
                ) from exc
            lines = f'[tenants."{name}"]\nkey_sha256 = ["{hash_of(made)}"]'
        typer.echo(f"add to winnow.toml, and start the gateway anew:\n\n{lines}\n", err=True)
        typer.echo("the key, for WINNOW_API_KEY or `Authorization: Bearer KEY`:", err=True)
        typer.echo(made)
