"""Source of a backup: one snapshot of a database in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg

from backup import programs
from backup.archive import Writable, write_archive
from backup.errors import BackupFailed
from backup.inventory import Inventory
from backup.login import DatabaseLogin, database_errors, pin_settings
from vault.progress import Progress

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Database that is backed up.

    *connect* opens a connection of a user that reads all tables, for a block.
    """

    database: str
    connect: Callable[[], AbstractContextManager[psycopg.Connection]]

    def write(self, file: Writable, progress: Progress) -> None:
        """Write the facts and the dump of one snapshot to *file*."""
        with database_errors(self.database), self.connect() as connection:
            pin_settings(connection)
            inventory = _begin(connection)
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            snapshot = str(row[0]) if row else ""
            with progress("reading the tables", inventory.size) as advance:
                facts = inventory.read(advance)
            with (
                progress("dumping", inventory.size) as advance,
                programs.dump(DatabaseLogin.of(connection), snapshot) as pieces,
            ):
                write_archive(file, facts, _counted(pieces, advance))


def _begin(connection: psycopg.Connection) -> Inventory:
    """Begin the transaction, lock the tables, and then take its snapshot.

    In this order, because a table that another session empties or rewrites looks empty in an older
    snapshot, and the lock waits for just that session.
    """
    try:
        for _attempt in range(_ATTEMPTS):
            known = Inventory(connection)
            connection.execute(_BEGIN)
            known.lock_tables()
            inventory = Inventory(connection)
            if inventory.tables <= known.tables:
                return inventory
            connection.execute("ROLLBACK")
    except psycopg.errors.UndefinedTable:
        raise BackupFailed("a table was dropped during the dump; run the command again") from None
    raise BackupFailed("tables were created during the dump; run the command again")


def _counted(pieces: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        advance(len(piece))


@contextmanager
def autocommit(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Have *connection* commit each statement during the block, and roll back at its end."""
    connection.autocommit = True
    try:
        yield connection
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")
