"""Snapshot of what the catalogue has about a table, to compare a way back with the begin.

It has the table and its partitions, and what depends on any of their columns or reacts to their
change: among that the foreign keys of other tables, whose references no pass may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from psycopg import Connection

from migration.table import inventory
from migration.table.migrated_table import MigratedTable


def read(connection: Connection, table: MigratedTable) -> dict[str, str]:
    """Return the definition of each thing in the catalogue about *table*, by its name."""
    found = inventory.read(connection, table.schema, table.name)
    return {each.name: each.definition or "" for each in found}


def find_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield what is not as it was, by its name."""
    for name in sorted({*before, *now}):
        if name not in now:
            yield f"{name} is gone"
        elif name not in before:
            yield f"{name} is new"
        elif now[name] != before[name]:
            yield f"{name} is another"
