"""Table of guests that is migrated in tests, and the keys that its writers and workers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from sqlalchemy import Engine, NullPool, create_engine, make_url

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.stores.table import TableDataKeys
from migration.guard import recorded_writes, triggers
from migration.passes import ranges
from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.rows.source_cipher import SourceCipher
from migration.rows.token_writer import TokenWriter
from migration.table import live_table
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.models import cipher_parts, index_parts

Key: TypeAlias = tuple[int, str]

#: Name of the migration.
MIGRATION: Final = "guests"
GUESTS: Final = MigratedTable(
    "public",
    "guests",
    ("id", "branch"),
    (
        MigratedColumn("email", "email_token", ("id", "branch")),
        MigratedColumn("born", "born_token", ("id", "branch")),
    ),
    (IndexedColumn("email_index", "email"),),
)
#: The guest that has neither value.
EMPTY: Final = 7
_SETUP: LiteralString = """
    CREATE TABLE guests (
        id int, branch text, email varchar(80), born date, visits int DEFAULT 0,
        email_token bytea, born_token bytea, email_index bytea, PRIMARY KEY (id, branch)
    );
    INSERT INTO guests SELECT n, 'b' || n %% 3, nullif('Guest' || n || '@example.com',
        'Guest7@example.com'), CASE WHEN n %% 2 = 0 THEN '1980-01-01'::date + n END
    FROM generate_series(1, %s) AS n;
"""


def original(number: int) -> tuple[str | None, date | None]:
    """Return e-mail address and date of birth that guest *number* has at first."""
    email = None if number == EMPTY else f"Guest{number}@example.com"
    return email, None if number % 2 else date(1980, 1, 1) + timedelta(number)


def create(
    connection: Connection,
    rows: int,
    prepare: Callable[[Connection], object] = lambda _: None,
    table: MigratedTable = GUESTS,
) -> None:
    """Create the guarded table, with *rows* rows that have no token."""
    connection.execute("CREATE SCHEMA strongroom_migration")
    connection.execute(recorded_writes.TABLES)
    connection.execute(ranges.TABLE)
    create_unguarded(connection, rows)
    prepare(connection)
    for statement in triggers.install(table, MIGRATION):
        connection.execute(statement)


def create_unguarded(connection: Connection, rows: int) -> None:
    """Create the table without its guard, with *rows* rows that have no token."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_SETUP, (rows,))


def drop(connection: Connection) -> None:
    """Drop what :func:`create` created."""
    connection.execute("DROP TABLE guests")
    connection.execute("DROP SCHEMA strongroom_migration CASCADE")


class GuestKeys:
    """Keys of one process, and what it encrypts with them."""

    table: MigratedTable = GUESTS
    reads_back = False

    def __init__(self, cipher: FieldCipher, indexes: BlindIndexes) -> None:
        self.field = partial(cipher.field, context=("id", "branch"))
        self.email = cipher.field("guests.email", ("id", "branch"))
        self.born = cipher.field("guests.born", ("id", "branch"), date)
        self.index = indexes.index("guests.email", rows=100_000, normalise="email")
        self.index.create()
        fields = {"email": self.email, "born": self.born}
        self.cipher = RowCipher(self.table, fields, {"email_index": self.index}, self.sources())

    def sources(self) -> SourceCipher:
        """Return what reads and writes the old columns."""
        return SourceCipher(self.table)

    def written(self, email: str, key: Key) -> dict[str, Any]:
        """Return what the version before the migration writes of *email*."""
        assert key
        return {"email": email}

    def added(self, email: str, key: Key) -> dict[str, Any]:
        """Return what a version that writes both writes beside :meth:`written`."""
        return {
            "email_token": self.email.encrypt(email, *key),
            "email_index": self.index.value(email),
        }

    def opened(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return the values of the old columns of rows, which have these *columns*."""
        return {name: list(columns[name]) for name in self.table.migrated}

    def opened_new(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return the values of the new columns of rows. Their index values are checked."""
        bound = columns["id"], columns["branch"]
        found = {
            name: declared.decrypt_many(columns[f"{name}_token"], *bound).values()
            for name, declared in (("email", self.email), ("born", self.born))
        }
        assert list(map(self.index.value, found["email"])) == list(columns["email_index"])
        return found

    def encrypt_old(self, connection: Connection) -> None:
        """Bring the plaintexts of a new table into the form in which it has them."""
        assert not connection.closed

    def statements(self, connection: Connection) -> RowStatements:
        live = live_table.read(connection, self.table.schema, self.table.name)
        return RowStatements(self.table, live, reads_back=self.reads_back)

    def writer(self, connection: Connection) -> TokenWriter:
        return TokenWriter(self.statements(connection), self.cipher)


def memory_keys() -> GuestKeys:
    """Return keys that only this process has."""
    cipher = FieldCipher(
        cipher_parts.KeyService(), cipher_parts.STORE, data_keys=cipher_parts.Rows()
    )
    indexes = BlindIndexes(index_parts.KeyService(), index_parts.Rows(), index_parts.SHOP)
    return GuestKeys(cipher, indexes)


def open_engine(url: str) -> Engine:
    """Return an engine on the database of *url*, which outlasts a crash of its server."""
    named = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(named, poolclass=NullPool)


def table_keys(
    engine: Engine, build: Callable[[FieldCipher, BlindIndexes], GuestKeys] = GuestKeys
) -> GuestKeys:
    """Return keys in tables of the database, which each process wraps with the same key."""
    service = cipher_parts.KeyService()
    service._keys = [AESGCM(bytes(32))]
    data_keys, index_keys = TableDataKeys(engine), TableIndexKeys(engine)
    data_keys.create()
    index_keys.create()
    cipher = FieldCipher(service, cipher_parts.STORE, data_keys=data_keys)
    return build(cipher, BlindIndexes(service, index_keys, cipher_parts.STORE))
