"""A partitioned table of every type under a migration's guard, and what a worker on it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, LiteralString, TypeAlias

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.cipher import FieldCipher
from migration.guard import recorded_writes, triggers
from migration.guard.triggers import Mode
from migration.passes import ranges
from migration.passes.backfill import Backfill
from migration.passes.ranges import PassProgress, Ranges
from migration.passes.renewing_pass import Renewed, RenewingPass
from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.rows.rows import OpenedRows, Rows
from migration.rows.token_writer import TokenWriter
from migration.table import live_table
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.typed_values import COLUMNS, iter_rows
from tests.support.models import cipher_parts, index_parts

MIGRATION: Final = "travellers"
ROWS: Final = 400
WITH_PLAINTEXT: Final = ROWS - 1  # the first row has none
#: A key: number and branch. The branch is also the partition.
Key: TypeAlias = tuple[int, str]
_KEY: Final = ("id", "branch")
_JSON: Final = frozenset({"notes", "tags"})
_BRANCHES: Final[tuple[LiteralString, ...]] = ("north", "south", "west")
TRAVELLERS: Final = MigratedTable(
    "public",
    "travellers",
    _KEY,
    tuple(MigratedColumn(name, f"{name}_token", _KEY) for name in COLUMNS),
    (IndexedColumn("email_index", "email"),),
    frozenset({"nick", "balance", "price", "notes", "tags", "host", "scores"}),
)


def branch_of(number: int) -> str:
    """Return the branch of the row *number*."""
    return _BRANCHES[number % len(_BRANCHES)]


#: Changes of row 12, whose token of the e-mail does not open then, or is missing.
DAMAGES: Final[dict[str, LiteralString]] = {
    "tampered": "email_token = set_byte(email_token, 40, 255 - get_byte(email_token, 40))",
    "of another column": "email_token = name_token",
    "of another row": "email_token = (SELECT email_token FROM travellers WHERE id = 11)",
    "missing": "email_token = NULL",
    "without its plaintext": "email = NULL, email_token = '\\x00'",
}


class TypedSite:
    """The guarded table, after its backfill, and ciphers for it."""

    def __init__(self, database: OwnDatabase) -> None:
        """Create ciphers. The table is that of :func:`typed_site`."""
        self.connect = database.connect
        cipher = FieldCipher(
            cipher_parts.KeyService(), cipher_parts.STORE, data_keys=cipher_parts.Rows()
        )
        self.fields = {
            name: cipher.field(f"travellers.{name}", _KEY, each.kind)
            for name, each in COLUMNS.items()
        }
        indexes = BlindIndexes(index_parts.KeyService(), index_parts.Rows(), index_parts.SHOP)
        self.index = indexes.index("travellers.email", rows=100_000, normalise="email")
        self.index.create()
        self.cipher = RowCipher(TRAVELLERS, self.fields, {"email_index": self.index})

    def writer(self, connection: Connection, cipher: RowCipher | None = None) -> TokenWriter:
        """Return a writer of rows, with a cipher of the test's own if there is one."""
        live = live_table.read(connection, TRAVELLERS.schema, TRAVELLERS.name)
        return TokenWriter(RowStatements(TRAVELLERS, live), cipher or self.cipher)

    def backfill(self, connection: Connection) -> PassProgress:
        """Encrypt each row, and let the guard refuse from now on."""
        backfill = Ranges(MIGRATION, "backfill")
        backfill.create(connection, TRAVELLERS, ROWS)
        worker = Backfill(backfill, self.writer(connection), 200)
        while worker.run_batch(connection) is not None:
            pass
        for statement in triggers.functions(TRAVELLERS, MIGRATION, Mode.REFUSE):
            connection.execute(statement)
        return backfill.read_progress(connection)

    def run(
        self,
        connection: Connection,
        kind: type[RenewingPass],
        name: str,
        cipher: RowCipher | None = None,
    ) -> tuple[list[Renewed], PassProgress]:
        """Run the pass *name*, and return its batches and how far it came."""
        ranges = Ranges(MIGRATION, name)
        ranges.create(connection, TRAVELLERS, 150)
        worker = kind(ranges, self.writer(connection, cipher), 50)
        batches = list(iter(lambda: worker.run_batch(connection), None))
        return batches, ranges.read_progress(connection)

    def damage(self, connection: Connection, damage: LiteralString) -> None:
        """Make one of :data:`DAMAGES`, as the owner can, because the guard would refuse some."""
        values = {"name": "Ada", "email": "ada@example.com"}
        for number in (11, 12):
            key = number, branch_of(number)
            update(connection, key, {**values, **self.encrypted(key, values)})
        connection.execute("ALTER TABLE travellers DISABLE TRIGGER USER")
        connection.execute("UPDATE travellers SET " + damage + " WHERE id = 12")
        for name in triggers.trigger_names(TRAVELLERS):
            statement = SQL("ALTER TABLE travellers ENABLE ALWAYS TRIGGER {}")
            connection.execute(statement.format(Identifier(name)))

    def damaged(self, connection: Connection) -> tuple[Any, ...] | None:
        """Return the row of :meth:`damage`."""
        return connection.execute("SELECT * FROM travellers WHERE id = 12").fetchone()

    def encrypted(self, key: Key, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an application writes beside *values*: tokens, and the index value."""
        written = {
            f"{name}_token": self.fields[name].encrypt(value, *key)
            for name, value in values.items()
        }
        if "email" in values:
            written["email_index"] = self.index.value(values["email"])
        return written

    def decrypted(self, connection: Connection) -> dict[Key, dict[str, Any]]:
        """Return the values of all rows, by their tokens alone."""
        names = list(COLUMNS)
        tokens = SQL(", ").join(Identifier(f"{name}_token") for name in names)
        query = SQL("SELECT id, branch, {} FROM travellers").format(tokens)
        return {
            (number, branch): {
                name: self.fields[name].decrypt(token, number, branch)
                for name, token in zip(names, found, strict=True)
            }
            for number, branch, *found in connection.execute(query)
        }


class InterruptedCipher(RowCipher):
    """A cipher that lets others come in between the read of rows and their update."""

    def __init__(self, site: TypedSite, interrupt: Callable[[], object]) -> None:
        super().__init__(TRAVELLERS, site.fields, {"email_index": site.index})
        self._interrupt = interrupt

    def open(self, rows: Rows) -> OpenedRows:
        self._interrupt()
        return super().open(rows)


@contextmanager
def typed_site(database: OwnDatabase) -> Iterator[TypedSite]:
    """Create the table with its rows and its guard, which queues; drop it at the end."""
    with database.connect() as connection:
        connection.execute("CREATE SCHEMA strongroom_migration")
        connection.execute(recorded_writes.TABLES)
        connection.execute(ranges.TABLE)
        connection.execute("CREATE EXTENSION IF NOT EXISTS citext")
        for statement in (*_create(), *triggers.install(TRAVELLERS, MIGRATION)):
            connection.execute(statement)
        for number, values in enumerate(iter_rows(ROWS), 1):
            insert(connection, (number, branch_of(number)), values)
        yield TypedSite(database)
        connection.execute("DROP TABLE travellers")
        connection.execute("DROP SCHEMA strongroom_migration CASCADE")


def insert(connection: Connection, key: Key, values: Mapping[str, Any]) -> None:
    """Insert a row."""
    stored = as_stored({**dict(zip(_KEY, key, strict=True)), **values})
    statement = SQL("INSERT INTO travellers ({}) VALUES ({})").format(
        SQL(", ").join(map(Identifier, stored)), SQL(", ").join([SQL("%s")] * len(stored))
    )
    connection.execute(statement, list(stored.values()))


def update(connection: Connection, key: Key, values: Mapping[str, Any]) -> int:
    """Update a row, and return how many there were."""
    stored = as_stored(values)
    assignments = (SQL("{} = %s").format(Identifier(name)) for name in stored)
    statement = SQL("UPDATE travellers SET {} WHERE (id, branch) = (%s, %s)").format(
        SQL(", ").join(assignments)
    )
    return connection.execute(statement, [*stored.values(), *key]).rowcount


def as_stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* with JSON as its text."""
    return {
        name: json.dumps(each, ensure_ascii=False) if name in _JSON and each is not None else each
        for name, each in values.items()
    }


def row_hashes(connection: Connection) -> dict[Key, str]:
    """Return a hash of the plaintexts of each row. ``json`` counts as equal JSON, not as text."""
    columns = SQL(", ").join(
        SQL("{}::jsonb" if each.sql_type == "json" else "{}").format(Identifier(name))
        for name, each in COLUMNS.items()
    )
    query = SQL("SELECT id, branch, md5(ROW({})::text) FROM travellers").format(columns)
    return {(number, branch): found for number, branch, found in connection.execute(query)}


def kill(connection: Connection, other: Connection) -> None:
    """End the server's process of *other*."""
    connection.execute("SELECT pg_terminate_backend(%s)", (other.info.backend_pid,))


def plaintexts_left(connection: Connection) -> int:
    """Return the number of rows that have any plaintext."""
    names = SQL(", ").join(map(Identifier, COLUMNS))
    query = SQL("SELECT count(*) FROM travellers WHERE num_nonnulls({}) > 0").format(names)
    found = connection.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def _create() -> Iterator[Composed]:
    plaintext = [
        SQL("{} {}").format(Identifier(name), SQL(each.sql_type)) for name, each in COLUMNS.items()
    ]
    written = [SQL("{} bytea").format(Identifier(name)) for name in TRAVELLERS.written]
    yield SQL(
        "CREATE TABLE travellers (id int, branch text, calls int NOT NULL DEFAULT 0, {},"
        " PRIMARY KEY (id, branch)) PARTITION BY LIST (branch)"
    ).format(SQL(", ").join([*plaintext, *written]))
    for branch in _BRANCHES:
        yield SQL("CREATE TABLE {} PARTITION OF travellers FOR VALUES IN ({})").format(
            Identifier(f"travellers_{branch}"), Literal(branch)
        )
