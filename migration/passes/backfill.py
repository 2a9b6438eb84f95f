"""Workers that encrypt the rows of a table, batch by batch."""

from __future__ import annotations

from typing import ClassVar, Final, LiteralString

from psycopg import Connection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from migration.guard import recorded_writes
from migration.passes import verification
from migration.passes.ranges import Ranges
from migration.rows.rows import Rows
from migration.rows.token_writer import TokenWriter, Written

#: A batch holds rows while it waits for others. It gives up long before the server looks for a
#: deadlock, so that no transaction of an application is the victim of one.
_LIMIT: Final[LiteralString] = "SET LOCAL lock_timeout = '100ms'"


class Backfill:
    """Backfill of one table, by any number of workers, each with a connection of its own."""

    #: Whether rows that have all their tokens are left out.
    _only_incomplete: ClassVar[bool] = True

    def __init__(self, ranges: Ranges, writer: TokenWriter, batch: int) -> None:
        """Create a backfill. Nothing is read."""
        self._ranges = ranges
        self._writer = writer
        self._batch = batch

    def run_batch(self, connection: Connection) -> Written | None:
        """Encrypt one batch in one transaction; return None if no free range is left.

        Rows that others hold for long are left to the next pass, and counted as wrong.
        """
        try:
            with connection.transaction():
                connection.execute(_LIMIT)
                return self._run_batch(connection, waits=True)
        except (LockNotAvailable, DeadlockDetected):
            with connection.transaction():
                return self._run_batch(connection, waits=False)

    def redo(self, connection: Connection) -> Written | None:
        """Encrypt the rows of a batch of the guard's reports; return None if there is none."""
        with connection.transaction():
            connection.execute(_LIMIT)
            keys = recorded_writes.take(connection, self._ranges.migration, self._batch)
            if not keys:
                return None
            rows = self._writer.statements.read_keys(connection, keys)
            return self._writer.write(connection, rows)

    def _run_batch(self, connection: Connection, *, waits: bool) -> Written | None:
        claimed = self._ranges.claim(connection)
        if claimed is None:
            return None
        rows = self._writer.statements.read_range(
            connection,
            claimed.after,
            claimed.until,
            self._batch,
            incomplete=self._only_incomplete,
        )
        is_done, last = len(rows) < self._batch, rows.keys[-1] if rows else None
        written = self._process(connection, rows, waits=waits)
        self._ranges.save(
            connection, claimed.number, last, written.rows, wrong=written.left, is_done=is_done
        )
        return written

    def _process(self, connection: Connection, rows: Rows, *, waits: bool) -> Written:
        return self._writer.write(connection, rows, waits=waits)


class VerifiedBackfill(Backfill):
    """Backfill that checks the rows with tokens too, so that no pass over all rows need follow.

    What it writes is to be read back in the same transaction.
    """

    _only_incomplete = False

    def _process(self, connection: Connection, rows: Rows, *, waits: bool) -> Written:
        missing = self._writer.cipher.find_incomplete(rows)
        written = self._writer.write(connection, rows.choose(missing), waits=waits)
        filled = self._read_filled(connection, rows.choose(missing))
        others = rows.choose(sorted(set(range(len(rows))) - set(missing)))
        wrong = [
            key
            for each in (filled, others)
            for key in verification.repair(connection, self._writer, each)
        ]
        return Written(written.rows + len(others), written.left + len(wrong))

    def _read_filled(self, connection: Connection, rows: Rows) -> Rows:
        """Return those of *rows* again that had a token beside the missing one."""
        written = [rows.columns[name] for name in self._writer.statements.table.written]
        has_any = [any(each is not None for each in row) for row in zip(*written, strict=True)]
        keys = [key for key, has in zip(rows.keys, has_any, strict=True) if has]
        if not keys:
            return rows.choose(())
        return self._writer.statements.read_keys(connection, keys, incomplete=False)
