"""Pass that decrypts every row, and proves that each token is of its old value.

The guard proves that each change brought a new token. That it is a token *of this* value, only
decryption shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection

from migration.passes.ranges import Ranges
from migration.rows.rows import Key, Rows
from migration.rows.token_writer import TokenWriter


class Verification:
    """Verification of one table, by any number of workers, each with a connection of its own."""

    def __init__(self, ranges: Ranges, writer: TokenWriter, batch: int) -> None:
        """Create a verification. Nothing is read."""
        self._ranges = ranges
        self._writer = writer
        self._batch = batch

    def run_batch(self, connection: Connection) -> Sequence[Key] | None:
        """Check one batch in one transaction, and return the keys of rows that were wrong.

        It returns None if no free range is left.
        """
        with connection.transaction():
            claimed = self._ranges.claim(connection)
            if claimed is None:
                return None
            rows = self._writer.statements.read_range(
                connection, claimed.after, claimed.until, self._batch, incomplete=False
            )
            wrong = repair(connection, self._writer, rows)
            is_done, last = len(rows) < self._batch, rows.keys[-1] if rows else None
            self._ranges.save(
                connection, claimed.number, last, len(rows), wrong=len(wrong), is_done=is_done
            )
            return wrong


def repair(connection: Connection, writer: TokenWriter, rows: Rows) -> list[Key]:
    """Replace the tokens of *rows* that are not of their old values; return the rows' keys."""
    wrong = sorted(writer.cipher.find_mismatches(rows)) if rows else []
    if wrong:
        # A token without an old value may be all that has its value.
        alone = writer.cipher.find_tokens_alone(rows)
        if replaced := [at for at in wrong if at not in alone]:
            writer.replace(connection, rows.choose(replaced))
    return [rows.keys[at] for at in wrong]
