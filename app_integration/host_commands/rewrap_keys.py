"""Command ``rewrap-keys``: rewrap the stored keys of a service, or count them by version."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from app_integration._internal.cli import ArgumentParser
from app_integration.client import Client
from app_integration.encryption.blind_index import row_binding
from app_integration.encryption.blind_index.rewrap import rewrap_index_keys
from app_integration.encryption.keys.services import KeyService
from app_integration.errors import ConfigurationError
from app_integration.host_commands import options as shared
from app_integration.names import KEY_VERSION_VARIABLE

if TYPE_CHECKING:
    from sqlalchemy import Engine


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The exit code: 0, or 1 after an error. Keys that were rewrapped before it stay so. Wrong
        usage exits with 64.

    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.data_keys and not options.index_keys:
        parser.error("pass --data-keys, --index-keys or both")
    return shared.run(parser.prog, partial(_run, options))


def _run(options: Namespace) -> None:
    with closing(Client(shared.read_settings(options))) as client:
        for line in rewrap(client, options):
            print(line)  # noqa: T201 (a command's output)


def rewrap(client: Client, options: Namespace) -> Iterator[str]:
    """Rewrap the keys that *options* name, unless they are only counted, and yield the counts.

    Args:
        client: Client of the service.
        options: The parsed options.

    Raises:
        StrongroomError: If a store or the key service is unavailable, or a key cannot be rewrapped.

    """
    below = _read_version(options.below)
    engine = client.database_engine(options.role, None)
    try:
        for table in options.data_keys:
            yield from _describe(table, _data_keys(client, engine, table, options), below)
        for table in options.index_keys:
            yield from _describe(table, _index_keys(client, engine, table, options), below)
    finally:
        engine.dispose()


def _data_keys(client: Client, engine: Engine, table: str, options: Namespace) -> Counter[int]:
    """Return how many data keys in *table* each version of the key has wrapped."""
    from app_integration.encryption.keys.stores.table import TableDataKeys  # noqa: PLC0415 (an extra)

    client.use_data_keys(TableDataKeys(engine, table))
    cipher = client.cipher(options.key)
    if not options.count:
        cipher.rewrap_data_keys()
    ring = cipher.keyring
    rows = ring.store.list_by_scope(ring.scope.text)
    return _count_versions(ring.service, [row.wrapped for row in rows])


def _index_keys(client: Client, engine: Engine, table: str, options: Namespace) -> Counter[int]:
    """Return how many index keys in *table* each version of the key has wrapped."""
    from app_integration.encryption.blind_index.stores.table import TableIndexKeys  # noqa: PLC0415 (an extra)

    store, scope = TableIndexKeys(engine, table), client.settings.scope
    service, owner = client.cipher(options.key).keyring.service, row_binding.owner(scope)
    wrapped: list[bytes] = []
    for index in store.indexes(owner):
        if options.count:
            rows = store.versions(owner, index)
        else:
            rows = rewrap_index_keys(service, store, scope, index)
        wrapped += [row.wrapped for row in rows]
    return _count_versions(service, wrapped)


def _count_versions(service: KeyService, wrapped: Sequence[bytes]) -> Counter[int]:
    return Counter(map(service.version, wrapped))


def _describe(table: str, versions: Counter[int], below: int | None) -> Iterator[str]:
    """Yield a line for each version that is counted, or one with 0 if none is."""
    found = {key: count for key, count in versions.items() if below is None or key < below}
    for version, count in sorted(found.items()):
        yield f"{count} {table}, version {version}"
    if not found:
        yield f"0 {table}"


def _read_version(text: str | None) -> int | None:
    """Return the version in an option, in the variable or on standard input; None for all."""
    found = text if text is not None else os.environ.get(KEY_VERSION_VARIABLE)
    if not found:
        return None
    number = sys.stdin.readline().strip() if found == shared.PIPE else found
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise ConfigurationError("the version of --below is not a whole number from 1; pass one")
    return int(number)


def _parser() -> ArgumentParser:
    parser = shared.parser(
        "rewrap-keys",
        "Rewrap stored keys under the newest version of the service's Transit key, and count them.",
    )
    parser.add_argument("--key", required=True, help="the service's Transit key, such as pii")
    for option, what in (("--data-keys", "data keys"), ("--index-keys", "keys of blind indexes")):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="TABLE",
            help=f"a table of {what} that the key wraps; may be repeated",
        )
    parser.add_argument(
        "--role", help="a database role of the service, in place of the default one"
    )
    parser.add_argument("--count", action="store_true", help="count only, and change nothing")
    parser.add_argument(
        "--below",
        metavar="VERSION",
        help="count only keys of older versions; - reads it from standard input; "
        f"{KEY_VERSION_VARIABLE} by default, and without it all",
    )
    return parser
