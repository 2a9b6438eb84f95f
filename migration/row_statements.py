"""Statements that read rows of a migrated table, and write their tokens.

A row is written only if it is still the version that was read. Values travel as arrays of binary
parameters, the fastest form that psycopg has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.json import set_json_loads

from migration.key_text import key_array
from migration.live_table import LiveTable
from migration.migrated_table import MigratedTable
from migration.predicates import all_of, is_incomplete
from migration.rows import Key, Rows


class RowStatements:
    """Reads and writes of one table."""

    def __init__(self, table: MigratedTable, live: LiveTable) -> None:
        """Compose the statements.

        Args:
            table: The table.
            live: The same table as it is in the database.

        """
        self._table = table
        # SQL and not Identifier, as these are the catalogue's own texts: "character varying(80)".
        self._key_types = [SQL(live.columns[name].type) for name in table.key]
        self._key = SQL(", ").join(Identifier("u", name) for name in table.key)
        self._key_text = key_array(table, "u")
        self._name = Identifier(table.schema, table.name)
        self._aliases = [Identifier(f"k{at}") for at in range(len(table.key))]
        self._has_key_text = all_of(
            SQL("u.{} = v.{}::{}").format(Identifier(name), alias, kind)
            for name, alias, kind in zip(table.key, self._aliases, self._key_types, strict=True)
        )
        self._incomplete = is_incomplete(table, "u")
        self._fill = self._compose_update(SQL("{0} = coalesce(v.{1}, u.{0})"))
        self._replace = self._compose_update(SQL("{0} = v.{1}"))

    def read_range(
        self,
        connection: Connection,
        after: Key | None,
        until: Key | None,
        limit: int,
        *,
        incomplete: bool,
    ) -> Rows:
        """Return the first *limit* rows of a range, in the order of the key.

        Args:
            connection: A connection.
            after: Key after which the range begins; None for the first row.
            until: Key of the last row; None for the table's last.
            limit: The number of rows.
            incomplete: Whether to read only rows that lack a token or index value.

        """
        conditions: list[Composable] = [self._incomplete] if incomplete else []
        conditions += self._within(after, until)
        where = SQL("WHERE {}").format(all_of(conditions)) if conditions else SQL("")
        return self._read(
            connection,
            SQL("{} ORDER BY {} LIMIT {}").format(where, self._key, Literal(limit)),
        )

    def read_keys(self, connection: Connection, keys: Sequence[Key]) -> Rows:
        """Return those of the rows of *keys* that lack a token or index value."""
        condition = SQL("JOIN unnest({}) AS v ({}) ON {} WHERE {}").format(
            SQL(", ").join([SQL("%s::text[]")] * len(self._aliases)),
            SQL(", ").join(self._aliases),
            self._has_key_text,
            self._incomplete,
        )
        return self._read(connection, condition, [list(part) for part in zip(*keys, strict=True)])

    def write(
        self,
        connection: Connection,
        rows: Rows,
        written: Sequence[Sequence[bytes | None]],
        *,
        replaces: bool = False,
    ) -> int:
        """Write tokens and index values; return how many rows were still as they were read.

        Args:
            connection: A connection.
            rows: The rows.
            written: For each written column of the table, the bytes for each row.
            replaces: Whether None is written, too; otherwise it leaves the column of a row as it
                is.

        """
        keys = [list(rows.columns[name]) for name in self._table.key]
        statement = self._replace if replaces else self._fill
        return connection.execute(statement, [*keys, list(rows.versions), *written]).rowcount

    def _read(
        self, connection: Connection, condition: Composed, values: Sequence[Any] = ()
    ) -> Rows:
        names = self._table.read
        columns = SQL(", ").join(Identifier("u", name) for name in names)
        query = SQL("SELECT {}, u.xmin::text, {} FROM {} AS u {}").format(
            self._key_text, columns, self._name, condition
        )
        with connection.cursor(binary=True) as cursor:
            set_json_loads(_load_json, cursor)
            found = cursor.execute(query, values or None).fetchall()
        keys, versions, *read = zip(*found, strict=True) if found else [()] * (2 + len(names))
        return Rows(keys, versions, dict(zip(names, read, strict=True)))

    def _within(self, after: Key | None, until: Key | None) -> Iterator[Composed]:
        for operator, key in ((SQL(">"), after), (SQL("<="), until)):
            if key is not None:
                parts = zip(key, self._key_types, strict=True)
                bound = SQL(", ").join(SQL("{}::{}").format(text, kind) for text, kind in parts)
                yield SQL("({}) {} ({})").format(self._key, operator, bound)

    def _compose_update(self, assignment: SQL) -> Composed:
        tokens = [Identifier(f"t{at}") for at in range(len(self._table.written))]
        arrays: list[Composable] = [SQL("%b::{}[]").format(each) for each in self._key_types]
        arrays += [SQL("%b::text[]"), *(SQL("%b::bytea[]") for _ in tokens)]
        assignments = (
            assignment.format(Identifier(name), alias)
            for name, alias in zip(self._table.written, tokens, strict=True)
        )
        joined = all_of(
            SQL("u.{} = v.{}").format(Identifier(name), alias)
            for name, alias in zip(self._table.key, self._aliases, strict=True)
        )
        return SQL(
            "UPDATE {} AS u SET {} FROM unnest({}) AS v ({}) WHERE {} AND u.xmin = v.version::xid"
        ).format(
            self._name,
            SQL(", ").join(assignments),
            SQL(", ").join(arrays),
            SQL(", ").join((*self._aliases, Identifier("version"), *tokens)),
            joined,
        )


def _load_json(text: str | bytes) -> Any:
    """Return JSON as Python has it; a number with more digits than a float has is a Decimal.

    No token has a Decimal in JSON, so that such a value is refused, and not rounded silently.
    """
    return json.loads(text, parse_float=_parse_number)


def _parse_number(text: str) -> float | Decimal:
    exact, rounded = Decimal(text), float(text)
    return rounded if exact == Decimal(repr(rounded)) else exact
