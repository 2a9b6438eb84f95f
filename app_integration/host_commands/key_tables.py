"""Tables with the stored keys of a service, for the commands that rewrap them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from app_integration._internal.cli import ArgumentParser
from app_integration.client import Client
from app_integration.encryption.blind_index import key_context
from app_integration.encryption.blind_index.rewrap import rewrap_index_keys
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.host_commands import options as shared
from app_integration.names import Scope

if TYPE_CHECKING:
    from sqlalchemy import Engine


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Return the parsed options. The process exits with 64 if they name no table."""
    options = parser.parse_args(arguments)
    if not options.data_keys and not options.index_keys:
        parser.error("pass --data-keys, --index-keys or both")
    return options


def print_lines(work: Callable[[Client, Namespace], Iterator[str]], options: Namespace) -> None:
    """Print what *work* yields with the client of the service that *options* name."""
    with closing(Client(shared.read_settings(options))) as client:
        for line in work(client, options):
            print(line)  # noqa: T201 (a command's output)


def rewrap(
    client: Client,
    service: KeyService,
    options: Namespace,
    rewrap_data_keys: Callable[[FieldCipher], object] = FieldCipher.rewrap_data_keys,
) -> Iterator[tuple[str, Sequence[WrappedKey | IndexKey]]]:
    """Rewrap the keys in the tables that *options* name, unless they are only counted.

    Yield each table, with its rows of the service then. *rewrap_data_keys* gets a cipher on a table
    of data keys.
    """
    engine = client.databases.engine(options.role, None)
    try:
        for table in options.data_keys or ():
            cipher = _open_cipher(client, service, engine, table, options)
            if not options.count:
                rewrap_data_keys(cipher)
            yield table, cipher.keyring.list_rows()
        for table in options.index_keys or ():
            yield table, _index_keys(client.settings.scope, service, engine, table, options)
    finally:
        engine.dispose()


def _open_cipher(
    client: Client, service: KeyService, engine: Engine, table: str, options: Namespace
) -> FieldCipher:
    from app_integration.encryption.keys.stores.table import TableDataKeys  # noqa: PLC0415 (an extra)

    store, settings = TableDataKeys(engine, table), client.settings
    return FieldCipher(
        service, settings.scope, options.key, data_keys=store, limits=settings.limits
    )


def _index_keys(
    scope: Scope, service: KeyService, engine: Engine, table: str, options: Namespace
) -> list[IndexKey]:
    from app_integration.encryption.blind_index.stores.table import TableIndexKeys  # noqa: PLC0415 (an extra)

    store, owner = TableIndexKeys(engine, table), key_context.owner(scope)
    rows: list[IndexKey] = []
    for index in store.indexes(owner):
        if options.count:
            rows += store.versions(owner, index)
        else:
            rows += rewrap_index_keys(service, store, scope, index)
    return rows
