"""Statements that read rows of a migrated table, and write their tokens and old columns.

A row is written only if it is still the version that was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from app_integration.errors import ConfigurationError
from migration.rows import json_text, row_cursor, row_update
from migration.rows.row_update import Assigned, RowUpdate, StoredRows
from migration.rows.rows import Key, Rows
from migration.rows.stored_values import CheckedUpdate
from migration.rows.time_loaders import TimeOutOfRange
from migration.table.key_text import key_array, key_types
from migration.table.live_table import LiveColumn, LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.predicates import all_of, has_old_value, is_incomplete


class RowStatements:
    """Reads and writes of one table."""

    def __init__(self, table: MigratedTable, live: LiveTable, *, reads_back: bool = False) -> None:
        """Compose the statements."""
        self.table = table
        self._reads_back = reads_back or table.is_decrypted
        self._key_types = key_types(table, live)
        self._key = SQL(", ").join(Identifier("u", name) for name in table.key)
        self._key_text = key_array(table, "u")
        self._name = table.identifier
        self._aliases = [Identifier(f"k{at}") for at in range(len(table.key))]
        self._has_key_text = all_of(
            SQL("u.{} = v.{}::{}").format(Identifier(name), alias, kind)
            for name, alias, kind in zip(table.key, self._aliases, self._key_types, strict=True)
        )
        self._columns = row_cursor.select_list(table.read, live)
        self._incomplete = is_incomplete(table, "u")
        self._has_old_value = has_old_value(table, "u")
        filled, replaced = (
            [Assigned(name, SQL(type_), each) for name, type_ in _written_types(table)]
            for each in (row_update.FILL, row_update.REPLACE)
        )
        # Without the length of the type, as a cast to it would cut silently.
        restored = [_restore(live.columns[name]) for name in table.old_columns]
        # Tokens need not travel back where they are not compared.
        returned = table.written if self._reads_back else table.old_columns
        old = table.old_columns
        self._fill = RowUpdate(table, live, filled, returned=returned)
        self._replace = RowUpdate(table, live, replaced, returned=returned)
        self._null = RowUpdate(table, live, replaced, old, returned=old)
        self._restore = RowUpdate(table, live, [*replaced, *restored], returned=old)

    def read_range(
        self,
        connection: Connection,
        after: Key | None,
        until: Key | None,
        limit: int,
        *,
        incomplete: bool,
        plaintext: bool = False,
    ) -> Rows:
        """Return the first *limit* rows of a range, in the order of the key.

        It begins after the key *after*, and ends with the key *until*; None is the first or last
        row.
        """
        conditions: list[Composable] = [self._incomplete] if incomplete else []
        conditions += [self._has_old_value] if plaintext else []
        conditions += self._within(after, until)
        where = SQL("WHERE {}").format(all_of(conditions)) if conditions else SQL("")
        return self._read(
            connection,
            SQL("{} ORDER BY {} LIMIT {}").format(where, self._key, Literal(limit)),
        )

    def read_keys(
        self, connection: Connection, keys: Sequence[Key], *, incomplete: bool = True
    ) -> Rows:
        """Return the rows of *keys*, in the order of the key.

        Two workers that write the same rows in one order do not lock each other out.
        """
        condition = SQL("JOIN unnest({}) AS v ({}) ON {} WHERE {} ORDER BY {}").format(
            SQL(", ").join([SQL("%s::text[]")] * len(self._aliases)),
            SQL(", ").join(self._aliases),
            self._has_key_text,
            self._incomplete if incomplete else SQL("true"),
            self._key,
        )
        return self._read(connection, condition, [list(part) for part in zip(*keys, strict=True)])

    def write(
        self,
        connection: Connection,
        rows: Rows,
        written: Sequence[Sequence[Any]],
        *,
        waits: bool,
    ) -> int:
        """Write tokens and index values; return how many rows were still as they were read.

        None leaves the column of a row as it is. Where tokens are decrypted, it is plaintext that
        is written. Unless *waits*, rows that others hold count as changed.
        """
        if self._reads_back:
            return self._write_and_compare(self._fill, connection, rows, written, waits=waits)
        if waits:
            return self._fill.count(connection, rows, written)
        return len(self._fill.read(connection, rows, written).positions)

    def replace(self, connection: Connection, rows: Rows, written: Sequence[Sequence[Any]]) -> int:
        """Write tokens and index values, also None; return how many rows were still as read.

        Rows that others hold count as changed.
        """
        if self._reads_back:
            return self._write_and_compare(self._replace, connection, rows, written, waits=False)
        return len(self._replace.read(connection, rows, written).positions)

    def null(
        self, connection: Connection, rows: Rows, written: Sequence[Sequence[Any]]
    ) -> Collection[int]:
        """Write tokens and index values as :meth:`replace` does, and NULL into old columns."""
        return self._null.read(connection, rows, _to_parameters(written)).positions

    def restore(
        self, connection: Connection, rows: Rows, values: Sequence[Sequence[Any]]
    ) -> StoredRows:
        """Write tokens and index values as :meth:`replace` does, and old columns.

        *values* are those of the written columns, then of the old ones, which None leaves as they
        are.
        """
        return self._restore.read(connection, rows, _to_parameters(values))

    def _write_and_compare(
        self,
        update: RowUpdate,
        connection: Connection,
        rows: Rows,
        written: Sequence[Sequence[Any]],
        *,
        waits: bool,
    ) -> int:
        """Write values, and check that they are stored as they are. See :meth:`write`."""
        to_parameters = _to_parameters if self.table.is_decrypted else _as_they_are

        def write(
            connection: Connection, rows: Rows, values: Sequence[Sequence[Any]]
        ) -> StoredRows:
            return update.read(connection, rows, to_parameters(values), waits=waits)

        checked = CheckedUpdate(self.table, self.table.written, write)
        return len(checked.write(connection, rows, written))

    def _read(
        self, connection: Connection, condition: Composed, values: Sequence[Any] = ()
    ) -> Rows:
        names = self.table.read
        query = SQL("SELECT {}, u.xmin::text, {} FROM {} AS u {}").format(
            self._key_text, self._columns, self._name, condition
        )
        with row_cursor.open_cursor(connection) as cursor:
            found = cursor.execute(query, values or None).fetchall()
        keys, versions, *read = zip(*found, strict=True) if found else [()] * (2 + len(names))
        rows = Rows(keys, versions, dict(zip(names, read, strict=True)))
        self._check_times(rows)
        return rows

    def _check_times(self, rows: Rows) -> None:
        """Check that this process has each date and time of the keys, which select the rows."""
        for name in self.table.times:
            for key, value in zip(rows.keys, rows.columns[name], strict=True):
                if isinstance(value, TimeOutOfRange):
                    raise ConfigurationError(
                        f"{self.table.describe_row(key)}, column {name}: its key is before year 1"
                        " or after year 9999, so that the row cannot be migrated; give it another"
                        " key, and repeat the command"
                    )

    def _within(self, after: Key | None, until: Key | None) -> Iterator[Composed]:
        for operator, key in ((SQL(">"), after), (SQL("<="), until)):
            if key is not None:
                parts = zip(key, self._key_types, strict=True)
                bound = SQL(", ").join(SQL("{}::{}").format(text, kind) for text, kind in parts)
                yield SQL("({}) {} ({})").format(self._key, operator, bound)


def _restore(column: LiveColumn) -> Assigned:
    """Return how a plaintext travels into *column*: an array as JSON, others as their type."""
    if not column.is_array:
        return Assigned(column.name, SQL(column.base_type), row_update.FILL)
    return Assigned(column.name, SQL("text"), row_update.fill_array(column.base_type))


def _written_types(table: MigratedTable) -> Iterator[tuple[str, LiteralString]]:
    """Yield each written column with the type of its values on their way."""
    types = {each.new: each.base_type for each in table.columns}
    for name in table.written:
        yield name, types.get(name, "bytea")


def _as_they_are(values: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    return values


def _to_parameters(values: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(map(_to_parameter, each)) for each in values]


def _to_parameter(value: Any) -> Any:
    """Return *value* so that a list of them is a SQL array of one type."""
    if isinstance(value, dict | list):
        return json_text.dump(value)
    if isinstance(value, datetime | Decimal):
        return str(value)
    return value
