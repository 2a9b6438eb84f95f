"""Command ``migrate-keys``: rewrap stored keys from one backend to another, or by branch keys."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from app_integration._internal.cli import ArgumentParser
from app_integration.client import Client
from app_integration.encryption import branch_ciphertext
from app_integration.encryption.cipher import FieldCipher, wrap_scope
from app_integration.encryption.keys.services.combined import find_backend
from app_integration.host_commands import key_tables
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import BRANCH, FROM, KEY_TABLES, PLACES, TO


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = _parser()
    options = key_tables.parse(parser, arguments)
    if problem := find_problem(options):
        parser.error(problem)
    return shared.run(parser.prog, key_tables.print_lines, migrate, options)


def find_problem(options: Namespace) -> str | None:
    """Return why *options* are refused, None if they are not."""
    if not {options.source, options.target} <= {*PLACES}:
        return f"--from and --to are two of {', '.join(PLACES)}"
    if options.source == options.target:
        return f"--from and --to name {options.source} both"
    if BRANCH in (options.source, options.target) and options.index_keys:
        return "keys of blind indexes have no branch key; leave --index-keys out"
    return None


def migrate(client: Client, options: Namespace) -> Iterator[str]:
    """Rewrap the keys that *options* name, unless they are only counted, and yield the counts.

    A data key passes through this process, because no service unwraps what another one wrapped.
    """
    places = options.source, options.target
    # Both are opened, so that one that is not configured is an error before any request.
    services = [
        client.key_services.open(options.key, backend=each) for each in places if each != BRANCH
    ]
    own = wrap_scope(client.settings.scope, options.key).text
    for table, rows in key_tables.rewrap(client, services[-1], options, _find_work(options)):
        counted = [row for row in rows if BRANCH not in places or row.scope == own]
        found = Counter(_find_place(row.wrapped) for row in counted)
        for place in places:
            yield f"{found[place]} {table}, {place}"


def _find_work(options: Namespace) -> Callable[[FieldCipher], object]:
    if BRANCH not in (options.source, options.target):
        return FieldCipher.rewrap_data_keys
    under_branch = options.target == BRANCH
    return lambda cipher: cipher.rewrapper.move_data_keys(under_branch=under_branch)


def _find_place(wrapped: bytes) -> str:
    """Return what claims to have wrapped *wrapped*, as the options name it."""
    return BRANCH if branch_ciphertext.is_marked(wrapped) else find_backend(wrapped)


def _parser() -> ArgumentParser:
    return shared.parser(
        "migrate-keys",
        "Rewrap stored keys from one backend to another, or under branch keys and back, and count "
        "them. The variables of both backends must be set.",
        *(FROM, TO, *KEY_TABLES),
    )
