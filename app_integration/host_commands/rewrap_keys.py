"""Command ``rewrap-keys``: rewrap the stored keys of a service, or count them by version."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence

from app_integration._internal.cli import ArgumentParser
from app_integration.client import Client
from app_integration.encryption import branch_ciphertext
from app_integration.errors import ConfigurationError
from app_integration.host_commands import key_tables
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import BELOW, KEY_TABLES, PIPE
from app_integration.names import KEY_VERSION_VARIABLE


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = _parser()
    options = key_tables.parse(parser, arguments)
    return shared.run(parser.prog, key_tables.print_lines, rewrap, options)


def rewrap(client: Client, options: Namespace) -> Iterator[str]:
    """Rewrap the keys that *options* name, unless they are only counted, and yield the counts."""
    below, service = _read_version(options.below), client.key_services.open(options.key)
    for table, rows in key_tables.rewrap(client, service, options):
        # A data key under a branch key depends on the version that wraps that one.
        wrapped = [row.wrapped for row in rows if not branch_ciphertext.is_marked(row.wrapped)]
        yield from _describe(table, Counter(map(service.version, wrapped)), below)


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
    number = sys.stdin.readline().strip() if found == PIPE else found
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise ConfigurationError("the version of --below is not a whole number from 1; pass one")
    return int(number)


def _parser() -> ArgumentParser:
    return shared.parser(
        "rewrap-keys",
        "Rewrap stored keys under the newest version of the service's Transit key, and count them.",
        *(*KEY_TABLES, BELOW),
    )
