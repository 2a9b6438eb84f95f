"""Values as a table stores them, compared with those that were to be written.

A type may refuse a value, round it or cut it. The batch is not written then, and its row is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, DataError, IntegrityError

from app_integration.errors import ConfigurationError
from migration import error_text
from migration.rows.row_update import StoredRows
from migration.rows.rows import Rows, find_differences
from migration.table.migrated_table import MigratedTable


class ValueNotStored(ConfigurationError):
    """A value or token that its column does not take. Nothing of the batch was written."""


@dataclass(frozen=True, slots=True)
class CheckedUpdate:
    """An update of rows whose values must be stored as they are."""

    table: MigratedTable
    names: Sequence[str]
    update: Callable[[Connection, Rows, Sequence[Sequence[Any]]], StoredRows]

    def write(
        self, connection: Connection, rows: Rows, values: Sequence[Sequence[Any]]
    ) -> Collection[int]:
        """Write *rows*, and return the positions of those that were still as they were read.

        The last of *values* are those of the compared columns, in which None leaves a row's as it
        is.
        """
        try:
            with connection.transaction():
                stored = self.update(connection, rows, values)
        except (DataError, IntegrityError) as error:
            self._raise_for_row(connection, rows, values)
            name = f"{self.table.schema}.{self.table.name}"
            raise ValueNotStored(f"{name}: {_describe(error)}") from None
        if stored.positions:
            self._check(rows, values[-len(self.names) :], stored)
        return stored.positions

    def _raise_for_row(
        self, connection: Connection, rows: Rows, values: Sequence[Sequence[Any]]
    ) -> None:
        """Raise an error that names the first row that cannot be written after those before it."""
        with connection.transaction(force_rollback=True):
            for at in range(len(rows)):
                try:
                    with connection.transaction():
                        one = [[each[at]] for each in values]
                        self.update(connection, rows.choose([at]), one)
                except (DataError, IntegrityError) as error:
                    row = self.table.describe_row(rows.keys[at])
                    raise ValueNotStored(f"{row}: {_describe(error)}") from None

    def _check(self, rows: Rows, written: Sequence[Sequence[Any]], stored: StoredRows) -> None:
        """Check that the table has the values, because a type may round or cut them silently."""
        for name, values, column in zip(self.names, written, stored.columns, strict=True):
            before = rows.columns[name]
            expected = [
                before[at] if (value := values[at]) is None else value for at in stored.positions
            ]
            differences = find_differences(column, expected)
            if any(differences):
                row = self.table.describe_row(rows.keys[stored.positions[differences.index(True)]])
                raise ValueNotStored(
                    f"{row}, column {name}: it would keep another value than was written; give it"
                    " a type, and the table triggers, that keep it as it is"
                )


def _describe(error: DataError | IntegrityError) -> str:
    """Return the message of *error* without its details, which have values."""
    return (
        f"{error_text.describe(error)}; give the column a type and constraints that allow the value"
    )
