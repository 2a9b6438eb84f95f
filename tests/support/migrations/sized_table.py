"""Table of a given size under migration, whose growth and WAL a test measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.cipher import FieldCipher
from migration import guard_start
from migration.passes.backfill import Backfill
from migration.passes.ranges import Ranges
from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.rows.token_writer import TokenWriter
from migration.table import live_table
from migration.table.live_table import LiveTable
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from migration.table.table_lock import Pacing
from tests.support.models import cipher_parts, index_parts

NAME = "measured"
AT_ONCE = Pacing(lambda: 0.0, lambda _: None, lambda: 0.0, patience=0.0)
_KEYS: dict[str, LiteralString] = {"bigint": "n", "uuid": "md5(n::text)::uuid"}


@dataclass(frozen=True)
class Shape:
    """Shape of a table."""

    rows: int
    key: str = "bigint"
    columns: int = 1
    width: int = 20
    has_data_keys: bool = True
    every: int = 1


@dataclass(frozen=True)
class Growth:
    """Bytes that were written."""

    heap: int
    indexes: int
    wal: int


class SizedTable:
    """A table of *shape*, whose plaintext columns are migrated."""

    def __init__(self, connection: Connection, shape: Shape) -> None:
        self._connection = connection
        self._shape = shape
        names = [f"c{at}" for at in range(shape.columns)]
        columns = tuple(MigratedColumn(name, f"{name}_token", ("id",)) for name in names)
        index = IndexedColumn("c0_index", "c0")
        self.table = MigratedTable("public", NAME, ("id",), columns, (index,))

    def create(self) -> None:
        """Create it, fill it with random text, and let no vacuum work on it."""
        columns = [Identifier(each.old) for each in self.table.columns]
        self._connection.execute(
            SQL(
                "CREATE TABLE {} (id {} PRIMARY KEY, {}, made timestamptz DEFAULT now())"
                " WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
            ).format(
                Identifier(NAME),
                SQL("bigint" if self._shape.key == "bigint" else "uuid"),
                SQL(", ").join(SQL("{} text").format(each) for each in columns),
            )
        )
        self._connection.execute(
            SQL("INSERT INTO {} (id, {}) SELECT {}, {} FROM generate_series(1, {}) AS n").format(
                Identifier(NAME),
                SQL(", ").join(columns),
                SQL(_KEYS[self._shape.key]),
                SQL(", ").join([self._value()] * len(columns)),
                Literal(self._shape.rows),
            )
        )

    def begin(self) -> None:
        """Add the columns of tokens, and the guard."""
        guard_start.begin(self._connection, NAME, {}, self.table, AT_ONCE)

    def live(self) -> LiveTable:
        return live_table.read(self._connection, "public", NAME)

    def worker(self, batch: int = 1000) -> Backfill:
        """Return a worker of a backfill whose ranges are created."""
        ranges = Ranges(NAME, "backfill")
        ranges.create(self._connection, self.table, 5 * batch)
        statements = RowStatements(self.table, self.live())
        return Backfill(ranges, TokenWriter(statements, self._cipher()), batch)

    def backfill(self) -> None:
        worker = self.worker()
        while worker.run_batch(self._connection) is not None:
            pass

    def null(self) -> None:
        """Take each plaintext away, and write other bytes in place of its token."""
        parts = [
            SQL("{0} = NULL, {1} = set_byte({1}, 20, 255 - get_byte({1}, 20))").format(
                Identifier(each.old), Identifier(each.new)
            )
            for each in self.table.columns
        ]
        self._connection.execute(
            SQL("UPDATE {} SET {} WHERE c0 IS NOT NULL").format(
                Identifier(NAME), SQL(", ").join(parts)
            )
        )

    def measure(self, work: Callable[[], object]) -> Growth:
        """Return what *work* wrote, after a checkpoint."""
        self._connection.execute("CHECKPOINT")
        before = self._sizes()
        work()
        after = self._sizes()
        return Growth(*(later - earlier for earlier, later in zip(before, after, strict=True)))

    def drop(self) -> None:
        self._connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(NAME)))
        self._connection.execute("DROP SCHEMA IF EXISTS strongroom_migration CASCADE")

    def _value(self) -> Composed:
        return SQL(
            "(SELECT left(string_agg(md5(n::text || part), ''), {})"
            " FROM generate_series(0, {}) AS part WHERE n % {} = 0)"
        ).format(
            Literal(self._shape.width),
            Literal(self._shape.width // 32),
            Literal(self._shape.every),
        )

    def _cipher(self) -> RowCipher:
        data_keys = cipher_parts.Rows() if self._shape.has_data_keys else None
        cipher = FieldCipher(cipher_parts.KeyService(), cipher_parts.STORE, data_keys=data_keys)
        indexes = BlindIndexes(index_parts.KeyService(), index_parts.Rows(), index_parts.SHOP)
        index = indexes.index("c0", rows=100_000)
        index.create()
        fields = {each.old: cipher.field(each.old, ("id",)) for each in self.table.columns}
        return RowCipher(self.table, fields, {"c0_index": index})

    def _sizes(self) -> tuple[int, ...]:
        query: LiteralString = (
            "SELECT pg_table_size(%(name)s::regclass), pg_indexes_size(%(name)s::regclass),"
            " (pg_current_wal_insert_lsn() - '0/0')::bigint"
        )
        found: tuple[Any, ...] = self._connection.execute(query, {"name": NAME}).fetchone() or ()
        return found
