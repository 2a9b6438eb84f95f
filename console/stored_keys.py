"""Command ``rewrap-keys``, that of ``python -m app_integration``, for a declared service."""

from __future__ import annotations

from argparse import Namespace
from typing import Annotated

import typer

from app_integration.host_commands import rewrap_keys as host_command
from console import operate
from console.options import Env, Root, Service
from console.service_client import open_service_client


def rewrap_keys(
    service: Service,
    env: Env,
    key: Annotated[str, typer.Option("--key", help="the service's Transit key, such as pii")],
    data_keys: Annotated[
        list[str] | None,
        typer.Option("--data-keys", help="a table of data keys that the key wraps; repeatable"),
    ] = None,
    index_keys: Annotated[
        list[str] | None,
        typer.Option("--index-keys", help="a table of keys of blind indexes; repeatable"),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option("--role", help="a database role of the service, in place of the default one"),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="count only, and change nothing")] = False,
    below: Annotated[
        str | None,
        typer.Option(
            "--below", metavar="VERSION", help="count only older versions; - is standard input"
        ),
    ] = None,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Rewrap stored keys under the newest version of a Transit key, and count them by version."""
    if not (data_keys or index_keys):
        raise typer.BadParameter("pass --data-keys, --index-keys or both")
    options = Namespace(
        key=key,
        data_keys=data_keys or [],
        index_keys=index_keys or [],
        role=role,
        count=count,
        below=below,
    )
    with open_service_client(service, env, root) as client:
        for line in host_command.rewrap(client, options):
            typer.echo(line)
