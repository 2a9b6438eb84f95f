"""Update of rows of a migrated table that are still as they were read.

Values travel as arrays of binary parameters, the fastest form that psycopg has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composable, Composed, Identifier

from migration.rows import row_cursor
from migration.rows.rows import Rows
from migration.table.key_text import key_types
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.predicates import all_of

#: Assignments of an array's element, ``{1}``, to a column, ``{0}``.
FILL: Final = SQL("{0} = coalesce(v.{1}, u.{0})")
REPLACE: Final = SQL("{0} = v.{1}")


def fill_array(type_: LiteralString) -> SQL:
    """Return :data:`FILL` for a column of the array *type_*, whose values travel as JSON."""
    elements = f"ARRAY(SELECT pg_catalog.jsonb_array_elements_text(v.{{1}}::jsonb))::{type_}"
    return SQL(f"{{0}} = CASE WHEN v.{{1}} IS NULL THEN u.{{0}} ELSE {elements} END")


@dataclass(frozen=True, slots=True)
class Assigned:
    """A column that is written."""

    column: str
    type: SQL
    assignment: SQL


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows that were updated, as the table has them now."""

    positions: Sequence[int] = ()
    columns: Sequence[Sequence[Any]] = ()


class RowUpdate:
    """One UPDATE of many rows, each with values of its own."""

    def __init__(
        self,
        table: MigratedTable,
        live: LiveTable,
        assigned: Sequence[Assigned],
        cleared: Iterable[str] = (),
        *,
        returned: Sequence[str],
    ) -> None:
        """Compose the statement."""
        self._table = table
        keys = [Identifier(f"k{at}") for at in range(len(table.key))]
        values = [Identifier(f"a{at}") for at in range(len(assigned))]
        types = (*key_types(table, live), SQL("text"), *(each.type for each in assigned))
        source = SQL("unnest({}) WITH ORDINALITY AS v ({}, number)").format(
            SQL(", ").join(SQL("%b::{}[]").format(each) for each in types),
            SQL(", ").join((*keys, Identifier("version"), *values)),
        )
        is_as_read = all_of(
            (
                *(
                    SQL("u.{} = v.{}").format(Identifier(name), alias)
                    for name, alias in zip(table.key, keys, strict=True)
                ),
                SQL("u.xmin = v.version::xid"),
            )
        )
        assignments = (*_assign(assigned, values), *map(_clear, cleared))
        name = table.identifier
        self._waiting = _compose(name, assignments, source, is_as_read)
        free = _free_rows(name, source, is_as_read)
        returning = SQL(" RETURNING v.number - 1, {}").format(
            row_cursor.select_list(returned, live)
        )
        self._skipping = _compose(name, assignments, free, is_as_read) + returning
        self._waiting_read = self._waiting + returning

    def count(self, connection: Connection, rows: Rows, values: Sequence[Sequence[Any]]) -> int:
        """Update *rows*, and return how many were still as they were read."""
        return connection.execute(self._waiting, self._parameters(rows, values)).rowcount

    def read(
        self,
        connection: Connection,
        rows: Rows,
        values: Sequence[Sequence[Any]],
        *,
        waits: bool = False,
    ) -> StoredRows:
        """Update *rows*, and return columns of those that were still as they were read.

        Unless *waits*, a row that another transaction is changing counts as changed: two
        transactions that hold rows and wait for more may wait for each other.
        """
        statement = self._waiting_read if waits else self._skipping
        with row_cursor.open_cursor(connection) as cursor:
            found = cursor.execute(statement, self._parameters(rows, values)).fetchall()
        positions, *columns = zip(*found, strict=True) if found else [()]
        return StoredRows(positions, columns)

    def _parameters(self, rows: Rows, values: Sequence[Sequence[Any]]) -> list[list[Any]]:
        keys = (list(rows.columns[name]) for name in self._table.key)
        return [*keys, list(rows.versions), *map(list, values)]


def _compose(
    name: Identifier, assignments: Iterable[Composed], source: Composed, is_as_read: Composed
) -> Composed:
    return SQL("UPDATE {} AS u SET {} FROM {} WHERE {}").format(
        name, SQL(", ").join(assignments), source, is_as_read
    )


def _free_rows(name: Identifier, source: Composed, is_as_read: Composed) -> Composed:
    """Return those of *source* whose rows are locked without waiting."""
    return SQL(
        "(SELECT v.* FROM {} JOIN {} AS u ON {} FOR NO KEY UPDATE OF u SKIP LOCKED) AS v"
    ).format(source, name, is_as_read)


def _assign(assigned: Sequence[Assigned], values: Sequence[Composable]) -> Iterable[Composed]:
    for each, value in zip(assigned, values, strict=True):
        yield each.assignment.format(Identifier(each.column), value)


def _clear(column: str) -> Composed:
    return SQL("{} = NULL").format(Identifier(column))
