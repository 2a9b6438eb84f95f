"""Commands ``rewrap-keys`` and ``migrate-keys``, those of ``python -m app_integration``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.host_commands import migrate_keys as migration
from app_integration.host_commands import rewrap_keys as rewrapping
from app_integration.settings import SERVERS
from console import operate
from console.options import Env, Root, Service
from console.service_client import open_service_client
from vault.declare.errors import hint_names

Key = Annotated[str, typer.Option("--key", help="the key's short name, such as pii")]
DataKeys = Annotated[
    list[str] | None,
    typer.Option("--data-keys", help="a table of data keys that the key wraps; repeatable"),
]
IndexKeys = Annotated[
    list[str] | None,
    typer.Option("--index-keys", help="a table of keys of blind indexes; repeatable"),
]
Role = Annotated[
    str | None,
    typer.Option("--role", help="a database role of the service, in place of the default one"),
]
Count = Annotated[bool, typer.Option("--count", help="count only, and change nothing")]


def rewrap_keys(
    service: Service,
    env: Env,
    key: Key,
    data_keys: DataKeys = None,
    index_keys: IndexKeys = None,
    role: Role = None,
    count: Count = False,
    below: Annotated[
        str | None,
        typer.Option(
            "--below", metavar="VERSION", help="count only older versions; - is standard input"
        ),
    ] = None,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Rewrap stored keys under the newest version of a key, and count them by version."""
    options = _options(key, data_keys, index_keys, role, count, below=below)
    _check_declared(service, key)
    with open_service_client(service, env, root) as client:
        _print(rewrapping.rewrap, client, options)


def migrate_keys(
    service: Service,
    env: Env,
    source: Annotated[str, typer.Option("--from", help="the backend to leave: vault or aws")],
    target: Annotated[str, typer.Option("--to", help="the backend to move to")],
    key: Key,
    data_keys: DataKeys = None,
    index_keys: IndexKeys = None,
    role: Role = None,
    count: Count = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Rewrap stored keys from one backend to another, and count them. Repeat it after a failure."""
    if {source, target} != {*SERVERS}:
        raise typer.BadParameter(f"--from and --to are {' and '.join(SERVERS)}, in either order")
    options = _options(key, data_keys, index_keys, role, count, source=source, target=target)
    _check_declared(service, key)
    with open_service_client(service, env, root) as client:
        _print(migration.migrate, client, options)


def _options(
    key: str,
    data_keys: list[str] | None,
    index_keys: list[str] | None,
    role: str | None,
    count: bool,
    **others: str | None,
) -> Namespace:
    if not (data_keys or index_keys):
        raise typer.BadParameter("pass --data-keys, --index-keys or both")
    return Namespace(
        key=key,
        data_keys=data_keys or [],
        index_keys=index_keys or [],
        role=role,
        count=count,
        **others,
    )


def _check_declared(service: str, key: str) -> None:
    """Raise ConfigurationError if *service* has no *key*, whose count would be 0.

    A host without a repository has no declaration to compare with.
    """
    declaration = operate.find_declaration()
    if declaration is None or key in (declared := declaration.service(service).keys):
        return
    raise ConfigurationError(
        f"{service} has no key {key!r}{hint_names(key, declared)}; a new one is declared under "
        f"keys in services/{service}.yaml"
    )


def _print(
    command: Callable[[Client, Namespace], Iterator[str]], client: Client, options: Namespace
) -> None:
    for line in command(client, options):
        typer.echo(line)
