"""Guarded tables of people on a PostgreSQL of the benchmark's own, and workers that backfill them.

A table has three text fields and the blind index of one. The key service is in memory, because a
worker asks it once for many batches.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from psycopg import Connection
from psycopg.sql import SQL, Identifier, Literal

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.cipher import FieldCipher
from app_integration.names import Environment, Scope
from benchmarks.memory_keys import MemoryIndexKeys, MemoryRows, MemoryService
from benchmarks.ratio import Clock
from migration.guard import recorded_writes, triggers
from migration.passes import ranges
from migration.passes.backfill import Backfill
from migration.passes.ranges import Ranges
from migration.passes.verification import Verification
from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.rows.rows import Rows
from migration.rows.token_writer import TokenWriter
from migration.table import live_table
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres

BATCH: Final = 2000  # rows
RANGE: Final = 50_000  # rows
_SHOP: Final = Scope("shop", Environment.DEV)
_FIELDS: Final = ("name", "email", "phone")
_CREATE: Final = SQL("""
    CREATE TABLE {table} (
        id bigint PRIMARY KEY, name text, email text, phone text, visits int DEFAULT 0,
        name_token bytea, email_token bytea, phone_token bytea, email_index bytea
    );
    INSERT INTO {table} (id, name, email, phone)
    SELECT n, 'First Lastname ' || n, 'First.Lastname.' || n || '@Example.com',
        '+49 30 ' || 1000000 + n FROM generate_series(1, {rows}) AS n;
""")


@contextmanager
def database() -> Iterator[OwnDatabase]:
    """Run PostgreSQL for the block, with a database for tables of people."""
    with tempfile.TemporaryDirectory() as folder, store_postgres(Path(folder), _SHOP) as accounts:
        found = OwnDatabase(accounts.superuser, "people")
        found.create()
        with found.connect() as connection:
            connection.execute("CREATE SCHEMA strongroom_migration")
            connection.execute(recorded_writes.TABLES)
            connection.execute(ranges.TABLE)
        yield found


def login(database: OwnDatabase) -> tuple[str, str]:
    """Return the URL of *database* and its password, for another process."""
    superuser = database.superuser
    url = f"postgresql://postgres@127.0.0.1:{superuser.port}/{database.name}"
    return url, superuser.password().reveal()


def processor_clock(connection: Connection) -> Clock:
    """Return a clock of processor time: of this process, and of PostgreSQL's for *connection*."""
    backend = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return lambda: time.process_time() + int(backend.read_text().split()[0]) / 1e9


def describe(name: str) -> MigratedTable:
    """Return the table *name* as its migration has it."""
    columns = tuple(MigratedColumn(each, f"{each}_token", ("id",)) for each in _FIELDS)
    return MigratedTable("public", name, ("id",), columns, (IndexedColumn("email_index", "email"),))


def create(connection: Connection, name: str, rows: int) -> MigratedTable:
    """Create the guarded table *name* of *rows* people in place of the one before."""
    table = describe(name)
    drop(connection, name)
    named = {"table": Identifier(name), "rows": Literal(rows)}
    connection.execute(_CREATE.format(**named))
    for statement in triggers.install(table, name):
        connection.execute(statement)
    connection.execute(SQL("VACUUM ANALYZE {}").format(Identifier(name)))
    for each in ("backfill", "verify"):
        Ranges(name, each).create(connection, table, RANGE)
    return table


def drop(connection: Connection, name: str) -> None:
    """Drop the table *name*, if there is one, and its ranges."""
    connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(name)))
    connection.execute("DELETE FROM strongroom_migration.ranges WHERE migration = %s", (name,))


def build_cipher(table: MigratedTable, kind: type[RowCipher] = RowCipher) -> RowCipher:
    """Return a cipher of *table* with keys of its own."""
    cipher = FieldCipher(MemoryService(), _SHOP, data_keys=MemoryRows())
    keys = MemoryIndexKeys()
    index = BlindIndexes(keys, keys, _SHOP).index("people.email", rows=10**6, normalise="email")
    index.create()
    fields = {each: cipher.field(f"people.{each}", ("id",)) for each in _FIELDS}
    return kind(table, fields, {"email_index": index})


class RandomBytes(RowCipher):
    """A cipher that returns the same random bytes for each batch, of the sizes of its tokens."""

    _bytes: list[list[bytes | None]] | None = None

    def encrypt(self, rows: Rows, *, anew: bool = False) -> list[list[bytes | None]]:
        """Return random bytes in place of tokens and index values. See :class:`RowCipher`."""
        if self._bytes is None:
            columns = super().encrypt(rows, anew=anew)
            self._bytes = [[each and os.urandom(len(each)) for each in row] for row in columns]
        return [column[: len(rows)] for column in self._bytes]


class Worker:
    """A worker on the table of people *name*."""

    def __init__(
        self,
        connection: Connection,
        table: MigratedTable,
        cipher: RowCipher,
        batch: int = BATCH,
        *,
        reads_back: bool = False,
    ) -> None:
        live = live_table.read(connection, "public", table.name)
        statements = RowStatements(table, live, reads_back=reads_back)
        writer = TokenWriter(statements, cipher)
        self._backfill = Backfill(Ranges(table.name, "backfill"), writer, batch)
        self._verification = Verification(Ranges(table.name, "verify"), writer, batch)
        self._connection = connection

    def run(self, batches: int) -> int:
        """Run some batches, and return the rows that were written."""
        rows = 0
        for _ in range(batches):
            written = self._backfill.run_batch(self._connection)
            if written is None:
                raise SystemExit("the table has too few rows left; create a larger one")
            rows += written.rows
        return rows

    def verify(self, batches: int) -> None:
        """Read and check some batches that were written."""
        for _ in range(batches):
            wrong = self._verification.run_batch(self._connection)
            if wrong is None or wrong:
                raise SystemExit("a row has a token of another value")
