"""Pass that takes the plaintexts of rows whose tokens open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from psycopg import Connection

from migration.passes.plaintext_pass import PlaintextPass
from migration.rows.opened_rows import OpenedRows


class Nulling(PlaintextPass):
    """Nulling of one table: a row keeps its tokens' values, and loses its plaintexts."""

    _needs_plaintext = True

    def _find_changes(self, opened: OpenedRows) -> Mapping[str, Sequence[bool]]:
        return {
            name: [each is not None for each in opened.rows.columns[name]]
            for name in self._statements.table.plaintexts
        }

    def _write(
        self,
        connection: Connection,
        opened: OpenedRows,
        written: Sequence[Sequence[bytes | None]],
    ) -> Collection[int]:
        return self._statements.null(connection, opened.rows, written)
