"""Pass that takes the old values of rows whose tokens open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from psycopg import Connection

from migration.passes.renewing_pass import RenewingPass
from migration.rows.opened_rows import OpenedRows


class Nulling(RenewingPass):
    """Nulling of one table: a row keeps its tokens' values, and loses the old ones."""

    _needs_old_value = True

    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        table, columns = self._statements.table, opened.rows.columns
        return {
            name: [
                any(value is not None for value in values)
                for values in zip(
                    columns[name],
                    *(columns[index.column] for index in table.old_indexes if name in index.of),
                    strict=True,
                )
            ]
            for name in table.migrated
        }

    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        changes: Mapping[str, Sequence[bool]],  # noqa: ARG002 (all old columns of a row end)
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        return self._statements.null(connection, opened.rows, written)
