"""Writer of the tokens of rows, which reads rows again that another session changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.rows.rows import Rows

#: Reads of rows that others change while they are encrypted. What is left then is in the queue of
#: the guard, or complete.
READS: Final = 5


@dataclass(frozen=True, slots=True)
class Written:
    """What was done to some rows."""

    rows: int
    left: int = 0


class TokenWriter:
    """Encryption of rows of one table, in the caller's transaction."""

    def __init__(self, statements: RowStatements, cipher: RowCipher) -> None:
        self.statements = statements
        self.cipher = cipher

    def write(self, connection: Connection, rows: Rows, *, waits: bool = True) -> Written:
        """Encrypt *rows*, and write what they lack.

        Rows are not locked while they are encrypted, so that no writer waits for a key service.
        """
        written = 0
        for _ in range(READS):
            if not rows:
                break
            count = self.statements.write(connection, rows, self.cipher.encrypt(rows), waits=waits)
            written += count
            if count == len(rows):
                return Written(written)
            rows = self.statements.read_keys(connection, rows.keys)
        return Written(written, len(rows))

    def replace(self, connection: Connection, rows: Rows) -> int:
        """Write new tokens and index values of *rows*, and return how many were still as read.

        They come in the update that takes the old ones, so that the guard finds nothing to refuse.
        Rows that others hold are not waited for.
        """
        written = self.cipher.encrypt(rows, anew=True)
        return self.statements.replace(connection, rows, written)
