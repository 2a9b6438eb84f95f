"""Commands ``keys rewrap`` and ``keys migrate``: ``rewrap-keys`` and ``migrate-keys`` of a host."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import typer

from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.host_commands import migrate_keys as migration
from app_integration.host_commands import rewrap_keys as rewrapping
from app_integration.host_commands.option_catalogue import (
    BELOW,
    COUNT,
    DATA_KEYS,
    FROM,
    INDEX_KEYS,
    ROLE,
    STORED_KEY,
    TO,
)
from console.commands.personal_data.host_command import host_command
from console.target.service_client import open_service_client
from console.target.target import Target
from vault.declare.errors import hint_names

_BELOW: Final = replace(BELOW, help="count only older versions; - is standard input")
_TABLES: Final = (
    STORED_KEY,
    replace(DATA_KEYS, help="a table of data keys that the key wraps; repeatable"),
    replace(INDEX_KEYS, help="a table of keys of blind indexes; repeatable"),
    ROLE,
    COUNT,
)


@host_command(*_TABLES, _BELOW)
def rewrap_keys(target: Target, options: Namespace) -> None:
    """Rewrap stored keys under the newest version of a key, and count them by version."""
    _print(rewrapping.rewrap, target, options)


@host_command(FROM, TO, *_TABLES)
def migrate_keys(target: Target, options: Namespace) -> None:
    """Rewrap stored keys from one backend to another, and count them. Repeat it after a failure.

    With branch in place of a backend, data keys are wrapped by branch keys, or no longer so.
    """
    if problem := migration.find_problem(options):
        raise typer.BadParameter(problem)
    _print(migration.migrate, target, options)


def _check_declared(target: Target, service: str, key: str) -> None:
    """Raise ConfigurationError if *service* has no *key*, whose count would be 0.

    A host without a repository has no declaration to compare with.
    """
    declaration = target.checkout.find_declaration()
    if declaration is None or key in (declared := declaration.service(service).keys):
        return
    raise ConfigurationError(
        f"{service} has no key {key!r}{hint_names(key, declared)}; declare a new one under "
        f"keys in services/{service}.yaml"
    )


def _print(
    command: Callable[[Client, Namespace], Iterator[str]], target: Target, options: Namespace
) -> None:
    if not (options.data_keys or options.index_keys):
        raise typer.BadParameter("pass --data-keys, --index-keys or both")
    _check_declared(target, options.service, options.key)
    with open_service_client(target, options.service) as client:
        for line in command(client, options):
            typer.echo(line)
