"""Worker that encrypts the rows of a table, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from psycopg import Connection
from psycopg.errors import DeadlockDetected

from migration.guard import bypasses
from migration.ranges import Ranges
from migration.token_writer import TokenWriter, Written

_ATTEMPTS: Final = 5  # of a batch, each of which ends by a deadlock with another writer


class Backfill:
    """Backfill of one table, by any number of workers, each with a connection of its own."""

    def __init__(self, ranges: Ranges, writer: TokenWriter, batch: int) -> None:
        """Create a backfill. Nothing is read.

        Args:
            ranges: The ranges of the pass.
            writer: Encrypts the rows.
            batch: Rows of one batch.

        """
        self._ranges = ranges
        self._writer = writer
        self._batch = batch

    def run_batch(self, connection: Connection) -> Written | None:
        """Encrypt one batch in one transaction; return None if no free range is left.

        Raises:
            psycopg.Error: If the server rejects a statement. Nothing of the batch was written.
            StrongroomError: If a row cannot be encrypted. Nothing of the batch was written.

        """
        return _repeat_on_deadlock(self._run_batch, connection)

    def redo(self, connection: Connection) -> Written | None:
        """Encrypt the rows of a batch of the guard's reports; return None if there is none.

        See :meth:`run_batch` for the errors.
        """
        return _repeat_on_deadlock(self._redo, connection)

    def _run_batch(self, connection: Connection) -> Written | None:
        claimed = self._ranges.claim(connection)
        if claimed is None:
            return None
        rows = self._writer.statements.read_range(
            connection, claimed.after, claimed.until, self._batch, incomplete=True
        )
        is_done, last = len(rows) < self._batch, rows.keys[-1] if rows else None
        written = self._writer.write(connection, rows)
        self._ranges.save(connection, claimed.number, last, written.rows, is_done=is_done)
        return written

    def _redo(self, connection: Connection) -> Written | None:
        keys = bypasses.take(connection, self._ranges.migration, self._batch)
        if not keys:
            return None
        rows = self._writer.statements.read_keys(connection, keys)
        return self._writer.write(connection, rows)


def _repeat_on_deadlock(
    run: Callable[[Connection], Written | None], connection: Connection
) -> Written | None:
    """Call *run* in a transaction, and again if it was the victim of a deadlock.

    An application's transaction may write two rows of a batch in the other order.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            with connection.transaction():
                return run(connection)
        except DeadlockDetected:
            continue
    with connection.transaction():
        return run(connection)
