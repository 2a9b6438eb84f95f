"""Constraints that a migration adds, so that the database proves what a pass has done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from migration.table import table_lock
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing

_NAMED: Final[LiteralString] = """
    SELECT FROM pg_constraint
    WHERE conrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND conname = ANY (%s)
"""


def exist(connection: Connection, table: MigratedTable, names: Sequence[str]) -> bool:
    """Return whether *table* has one of the constraints *names*."""
    values = (table.schema, table.name, list(names))
    return connection.execute(_NAMED, values).fetchone() is not None


def add(
    connection: Connection, table: MigratedTable, name: str, condition: Composed, pacing: Pacing
) -> None:
    """Add the constraint *name*, or replace it. It holds for each write from now on."""
    statement = SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({}) NOT VALID").format(
        table.identifier, Identifier(name), condition
    )

    def renew(held: Connection) -> None:
        drop(held, table, name)
        held.execute(statement)

    table_lock.change(connection, table, renew, pacing)


def validate(connection: Connection, table: MigratedTable, name: str) -> None:
    """Read all rows, and prove the constraint *name*. The table stays in use."""
    connection.execute(
        SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(table.identifier, Identifier(name))
    )


def drop(held: Connection, table: MigratedTable, name: str) -> None:
    """Drop the constraint *name*, if it exists. The caller's transaction holds the table alone."""
    held.execute(
        SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(
            table.identifier, Identifier(name)
        )
    )


def remove(connection: Connection, table: MigratedTable, name: str, pacing: Pacing) -> None:
    """Drop the constraint *name* in a transaction of its own."""
    table_lock.change(connection, table, lambda held: drop(held, table, name), pacing)
