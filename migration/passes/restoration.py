"""Pass that brings the old columns of rows back from their tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from psycopg import Connection

from migration.passes.renewing_pass import RenewingPass
from migration.rows.opened_rows import OpenedRows
from migration.rows.stored_values import CheckedUpdate


class Restoration(RenewingPass):
    """Restoration of one table: each old value that differs from its token's becomes that."""

    _needs_old_value = False

    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        return self._cipher.find_changes(opened)

    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        changes: Mapping[str, Sequence[bool]],
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        """Write rows. See :meth:`RenewingPass._write`.

        Raises:
            ValueNotStored: If a column does not take a value, or not as it is.

        """
        restored = self._cipher.restore(opened, changes)
        statements = self._statements
        checked = CheckedUpdate(statements.table, statements.table.old_columns, statements.restore)
        return checked.write(connection, opened.rows, [*written, *restored])
