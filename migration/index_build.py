"""Database indexes on the columns of blind indexes, built while the table is in use.

They are built after the backfill, which would have to keep them up to date row by row. A build that
fails leaves an invalid index, which the next call drops. One whose process was killed goes on in
the server, so that the next call waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier

from migration.table import table_lock
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing, TableLockNotTaken

_PAUSE: Final = 0.5  # seconds between attempts, on average
#: The table itself, or its partitions that have rows.
_LEAVES: Final[LiteralString] = """
    WITH named AS (SELECT format('%%I.%%I', %s::text, %s::text)::regclass AS relation)
    SELECT n.nspname, c.relname
    FROM named CROSS JOIN LATERAL (
        SELECT named.relation UNION SELECT relid FROM pg_partition_tree(named.relation)
    ) AS tree
    JOIN pg_class AS c ON c.oid = tree.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' ORDER BY n.nspname, c.relname
"""
_INDEXES: Final[LiteralString] = """
    SELECT n.nspname AS schema, c.relname AS name, i.indisvalid AS is_valid
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = format('%%I.%%I', %s::text, %s::text)::regclass
        AND a.attname = %s AND i.indnatts = 1 AND i.indpred IS NULL
"""
# Each attempt returns at once, because a session that waits holds a snapshot, and the build would
# wait for that.
_BEGIN: Final[LiteralString] = """
    SELECT pg_try_advisory_lock(
        'pg_class'::regclass::int, format('%%I.%%I', %s::text, %s::text)::regclass::int
    )
"""
_END: Final[LiteralString] = """
    SELECT pg_advisory_unlock(
        'pg_class'::regclass::int, format('%%I.%%I', %s::text, %s::text)::regclass::int
    )
"""


@dataclass(frozen=True, slots=True)
class _Index:
    """An index on one column."""

    schema: str
    name: str
    is_valid: bool


def build(connection: Connection, table: MigratedTable, pacing: Pacing) -> list[str]:
    """Build an index on each column of a blind index that has none, and return those columns.

    *connection* commits each statement, because a build needs two transactions.
    """
    built = []
    with _only_build(connection, table, pacing):
        leaves = connection.execute(_LEAVES, (table.schema, table.name)).fetchall()
        for index in table.indexes:
            is_new = [_ensure(connection, schema, name, index.column) for schema, name in leaves]
            if (table.schema, table.name) not in leaves:
                is_new.append(_ensure_on_parent(connection, table, index.column, pacing))
            if any(is_new):
                built.append(index.column)
    return built


@contextmanager
def _only_build(connection: Connection, table: MigratedTable, pacing: Pacing) -> Iterator[None]:
    """Let no other session build indexes of *table* during the block."""
    named, end = (table.schema, table.name), pacing.clock() + pacing.patience
    while connection.execute(_BEGIN, named).fetchone() != (True,):
        if pacing.clock() >= end:
            raise TableLockNotTaken(
                f"{table.schema}.{table.name}: another session builds an index of the table; wait"
                " until it ends, and repeat the command"
            )
        pacing.sleep(_PAUSE * (0.5 + pacing.random()))
    try:
        yield
    finally:
        if not connection.closed:  # the session's end unlocks it, too
            connection.execute(_END, named)


def _ensure(connection: Connection, schema: str, name: str, column: str) -> bool:
    """Build the index of one table, and return whether it had none."""
    found = _find(connection, schema, name, column)
    if any(each.is_valid for each in found):
        return False
    for each in found:
        connection.execute(
            SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(each.schema, each.name))
        )
    connection.execute(_create(SQL("CREATE INDEX CONCURRENTLY"), schema, name, column))
    return True


def _ensure_on_parent(
    connection: Connection, table: MigratedTable, column: str, pacing: Pacing
) -> bool:
    """Combine the indexes of the partitions, and return whether that had not been done."""
    if any(each.is_valid for each in _find(connection, table.schema, table.name, column)):
        return False
    # It takes over the indexes that the partitions have, and so builds nothing.
    statement = _create(SQL("CREATE INDEX"), table.schema, table.name, column)
    table_lock.change(connection, table, lambda held: held.execute(statement), pacing)
    return True


def _find(connection: Connection, schema: str, name: str, column: str) -> list[_Index]:
    with connection.cursor(row_factory=class_row(_Index)) as cursor:
        return cursor.execute(_INDEXES, (schema, name, column)).fetchall()


def _create(statement: SQL, schema: str, name: str, column: str) -> Composed:
    return SQL("{} ON {} ({})").format(statement, Identifier(schema, name), Identifier(column))
