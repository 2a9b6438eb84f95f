"""Pass that brings the old columns of rows back from their tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg import Connection, DataError, IntegrityError

from app_integration.errors import ConfigurationError
from migration import error_text
from migration.passes.plaintext_pass import PlaintextPass
from migration.rows.opened_rows import OpenedRows, is_same
from migration.rows.rows import Rows


class PlaintextNotStored(ConfigurationError):
    """A value that its old column does not take. Nothing of the batch was written."""


class Restoration(PlaintextPass):
    """Restoration of one table: each old value that differs from its token's becomes that."""

    _needs_plaintext = False

    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        return self._cipher.find_changes(opened)

    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        changes: Mapping[str, Sequence[bool]],
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        """Write rows. See :meth:`PlaintextPass._write`.

        Raises:
            PlaintextNotStored: If a column does not take a value, or not as it is.

        """
        restored = self._cipher.restore(opened, changes)
        try:
            with connection.transaction():
                stored = self._statements.restore(connection, opened.rows, written, restored)
        except (DataError, IntegrityError) as error:
            self._raise_for_row(connection, opened.rows, written, restored)
            table = self._statements.table
            raise PlaintextNotStored(f"{table.schema}.{table.name}: {_describe(error)}") from None
        self._check(opened.rows, restored, stored)
        return stored.keys()

    def _raise_for_row(
        self,
        connection: Connection,
        rows: Rows,
        written: Sequence[Sequence[bytes | None]],
        restored: Sequence[Sequence[Any]],
    ) -> None:
        """Raise an error that names the first row that cannot be written after those before it."""
        with connection.transaction(force_rollback=True):
            for at in range(len(rows)):
                one = [[[each[at]] for each in columns] for columns in (written, restored)]
                try:
                    with connection.transaction():
                        self._statements.restore(connection, rows.choose([at]), *one)
                except (DataError, IntegrityError) as error:
                    row = self._statements.table.describe_row(rows.keys[at])
                    raise PlaintextNotStored(f"{row}: {_describe(error)}") from None

    def _check(
        self,
        rows: Rows,
        restored: Sequence[Sequence[Any]],
        stored: Mapping[int, Sequence[Any]],
    ) -> None:
        """Check that the table has the values, because a type may round or cut them silently.

        Raises:
            PlaintextNotStored: If it has not.

        """
        names = self._statements.table.old_columns
        for at, found in stored.items():
            for name, values, value in zip(names, restored, found, strict=True):
                expected = rows.columns[name][at] if values[at] is None else values[at]
                if not is_same(value, expected):
                    row = self._statements.table.describe_row(rows.keys[at])
                    raise PlaintextNotStored(
                        f"{row}, column {name}: it would keep another value than its token has;"
                        " give it a type, and the table triggers, that keep it as it is"
                    )


def _describe(error: DataError | IntegrityError) -> str:
    """Return the message of *error* without its details, which have values."""
    return (
        f"{error_text.describe(error)}; give the column a type and constraints that allow the value"
    )
