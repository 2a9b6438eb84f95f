"""Command ``migrate-keys``: rewrap the stored keys of a service from one backend to another."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence

from app_integration._internal.cli import ArgumentParser
from app_integration.client import Client
from app_integration.encryption.keys.services.combined import find_backend
from app_integration.host_commands import key_tables
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import FROM, KEY_TABLES, TO


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = _parser()
    options = key_tables.parse(parser, arguments)
    if options.source == options.target:
        parser.error("--from and --to name the same backend")
    return shared.run(parser.prog, key_tables.print_lines, migrate, options)


def migrate(client: Client, options: Namespace) -> Iterator[str]:
    """Rewrap the keys that *options* name, unless they are only counted, and yield the counts.

    A data key passes through this process, because no service unwraps what another one wrapped.
    """
    backends = options.source, options.target
    # Both are opened, so that one that is not configured is an error before any request.
    _, service = (client.key_services.open(options.key, backend=each) for each in backends)
    for table, wrapped in key_tables.rewrap(client, service, options):
        found = Counter(map(find_backend, wrapped))
        for backend in backends:
            yield f"{found[backend]} {table}, {backend}"


def _parser() -> ArgumentParser:
    return shared.parser(
        "migrate-keys",
        "Rewrap stored keys from one backend to another, and count them. The variables of both "
        "backends must be set.",
        *(FROM, TO, *KEY_TABLES),
    )
