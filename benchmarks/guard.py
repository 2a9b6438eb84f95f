"""Benchmark of writes to a guarded table against the same writes without the guard.

    python -m benchmarks.guard [--rows 40000] [--turns 15]

One statement writes all rows. A correct writer brings new tokens; a bypassing one brings none, so
that the guard reports each row. That ratio has no bar, because most of it is the INSERT of the
report. One row in a transaction has none, because it depends on what a commit costs; nor has the
guard of hashes, because its trigger is called for each row of a correct writer, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Final

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from benchmarks import people_table as people
from benchmarks.ratio import Case, Run, repeated, run_cases
from migration.guard import triggers
from migration.table.migrated_table import DecryptedColumn, MigratedColumn, MigratedTable

ROWS: Final = 40_000
TURNS: Final = 15
_FILL: Final = SQL("""
    UPDATE {} SET name_token = sha256(name::bytea), email_token = sha256(email::bytea),
        phone_token = sha256(phone::bytea), email_index = substr(sha256(email::bytea), 1, 4)
""")
_EMAIL: Final = SQL("email = 'changed.' || {turn} || '.' || id || '@example.com'")
_CORRECT: Final = SQL(
    "UPDATE {table} SET {email}, email_token = set_byte(email_token, 9, {turn} % 256),"
    " email_index = set_byte(email_index, 3, {turn} % 256)"
)
_BYPASSING: Final = SQL("UPDATE {table} SET {email}")
_BYPASSING_ROW: Final = SQL("UPDATE {table} SET {email} WHERE id = {row}")
_TRANSACTIONS: Final = 200
_HASHED: Final = MigratedColumn(
    "email_token", "email", (), ("id",), decrypted=DecryptedColumn("text", "email_hash")
)
_FILL_HASHED: Final = SQL("""
    UPDATE {} SET email = 'First.Lastname.' || id || '@Example.com',
        email_token = sha256((id || now()::text)::bytea)
""")
_TOKEN: Final = SQL("email_token = set_byte(email_token, 9, {turn} % 256)")
_CORRECT_HASHED: Final = SQL("UPDATE {table} SET {email}, {token}")
_BYPASSING_HASHED: Final = SQL("UPDATE {table} SET {token}")
_BYPASSING_HASHED_ROW: Final = SQL("UPDATE {table} SET {token} WHERE id = {row}")


@contextmanager
def cases(rows: int = ROWS) -> Iterator[Iterator[Case]]:
    """Yield the cases, on tables of *rows* rows."""
    with people.database() as database, database.connect() as connection:
        pair = Pair(connection, rows, "email", index=SQL("CREATE UNIQUE INDEX ON {} (email)"))
        bare = Pair(connection, rows, "bare")
        hashed = Pair(connection, rows, "hashed", fill=_FILL_HASHED, change=_decrypt)
        yield iter(
            [
                pair.compare("correct writer", _CORRECT, 1.3),
                pair.compare("bypassing writer", _BYPASSING),
                pair.compare("bypassing row", _BYPASSING_ROW, calls=_TRANSACTIONS),
                bare.compare("bypassing writer, no index", _BYPASSING),
                hashed.compare("correct writer, hashes", _CORRECT_HASHED),
                hashed.compare("bypassing writer, hashes", _BYPASSING_HASHED),
                hashed.compare("bypassing row, hashes", _BYPASSING_HASHED_ROW, calls=_TRANSACTIONS),
            ]
        )


class Pair:
    """Two tables of people, of which one is guarded."""

    def __init__(
        self,
        connection: Connection,
        rows: int,
        name: str,
        *,
        index: SQL | None = None,
        fill: SQL = _FILL,
        change: Callable[[Connection, MigratedTable], MigratedTable] = lambda _, table: table,
    ) -> None:
        self._connection = connection
        self._rows = rows
        self._fill = fill
        self._turns = count(1)
        self._guarded, self._unguarded = (
            change(connection, people.create(connection, f"{name}_{which}", rows))
            for which in ("guarded", "free")
        )
        for statement in triggers.drop(self._unguarded, self._unguarded.name):
            connection.execute(statement)
        for table in (self._guarded, self._unguarded):
            if index is not None:
                connection.execute(index.format(Identifier(table.name)))

    def compare(
        self, name: str, statement: SQL, bar: float | None = None, *, calls: int = 1
    ) -> Case:
        """Return the case of *statement*, each call of which is a transaction."""
        subject, floor = (self._write(statement, each) for each in (self._guarded, self._unguarded))
        return Case(name, subject, floor, "no guard", bar, calls=calls, prepare=self._prepare)

    def _write(self, statement: SQL, table: MigratedTable) -> Run:
        return repeated(lambda: self._connection.execute(self._compose(statement, table)))

    def _compose(self, statement: SQL, table: MigratedTable) -> Composed:
        turn = next(self._turns)
        email, row = _EMAIL.format(turn=turn), turn % self._rows + 1
        parts = {"email": email, "token": _TOKEN.format(turn=turn), "turn": turn, "row": row}
        return statement.format(table=Identifier(table.name), **parts)

    def _prepare(self) -> None:
        """Give each row tokens, and remove what the turn before left."""
        self._connection.execute("TRUNCATE strongroom_migration.bypasses")
        for table in (self._guarded, self._unguarded):
            self._connection.execute(self._fill.format(Identifier(table.name)))
            self._connection.execute(SQL("VACUUM {}").format(Identifier(table.name)))


def _decrypt(connection: Connection, table: MigratedTable) -> MigratedTable:
    """Guard *table* as a plan does that decrypts its e-mail addresses, and return it."""
    decrypted = replace(table, columns=(_HASHED,), indexes=())
    for statement in triggers.drop(table, table.name):
        connection.execute(statement)
    connection.execute(SQL("ALTER TABLE {} ADD email_hash bytea").format(Identifier(table.name)))
    for statement in triggers.install(decrypted, table.name):
        connection.execute(statement)
    return decrypted


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS, ("--rows", int, ROWS, None)))
