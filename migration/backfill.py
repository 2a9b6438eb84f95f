"""Worker that encrypts the rows of a table, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from migration.guard import bypasses
from migration.ranges import Range, Ranges
from migration.row_cipher import RowCipher
from migration.row_statements import RowStatements
from migration.rows import Rows

#: Reads of rows that others changed while they were encrypted, in one batch. Rows that are left are
#: in the queue of the guard, or complete.
_READS: Final = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """What one batch did.

    Attributes:
        rows: Rows that were written.
        changed: Rows that others changed meanwhile, and that were read again.

    """

    rows: int
    changed: int


class Backfill:
    """Backfill of one table, by any number of workers, each with a connection of its own."""

    def __init__(
        self,
        ranges: Ranges,
        statements: RowStatements,
        cipher: RowCipher,
        batch: int,
    ) -> None:
        """Create a backfill. Nothing is read.

        Args:
            ranges: The ranges of the pass.
            statements: Reads and writes of the table.
            cipher: Encrypts the rows.
            batch: Rows of one batch.

        """
        self._ranges = ranges
        self._statements = statements
        self._cipher = cipher
        self._batch = batch

    def run_batch(self, connection: Connection) -> Progress | None:
        """Encrypt one batch of some range in one transaction; return None if no range is left.

        Rows are not locked while they are encrypted, so that no writer waits for a key service.

        Raises:
            psycopg.Error: If the server rejects a statement. Nothing of the batch was written.
            StrongroomError: If a row cannot be encrypted. Nothing of the batch was written.

        """
        with connection.transaction():
            claimed = self._ranges.claim(connection)
            return None if claimed is None else self._encrypt(connection, claimed)

    def redo(self, connection: Connection) -> Progress | None:
        """Encrypt the rows of a batch of reports of the guard; return None if there is none.

        See :meth:`run_batch` for the errors.
        """
        with connection.transaction():
            keys = bypasses.take(connection, self._ranges.migration, self._batch)
            if not keys:
                return None
            return self._write(connection, self._statements.read_keys(connection, keys))

    def _encrypt(self, connection: Connection, claimed: Range) -> Progress:
        rows = self._statements.read_range(
            connection, claimed.after, claimed.until, self._batch, incomplete=True
        )
        is_done, last = len(rows) < self._batch, rows.keys[-1] if rows else None
        progress = self._write(connection, rows)
        self._ranges.save(connection, claimed.number, last, progress.rows, is_done=is_done)
        return progress

    def _write(self, connection: Connection, rows: Rows) -> Progress:
        written, changed = 0, 0
        for _ in range(_READS):
            if not rows:
                break
            count = self._statements.write(connection, rows, self._cipher.encrypt(rows))
            written, left = written + count, len(rows) - count
            if not left:
                break
            changed += left
            rows = self._statements.read_keys(connection, rows.keys)
        return Progress(written, changed)
