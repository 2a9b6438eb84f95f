"""Writers of guests while their table is migrated: some encrypt, some bypass the migration."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from tests.support.migrations.guests import GuestKeys, Key

_WRITES: Final = 50  # of each writer, at least


def write(
    connect: Callable[[], Connection],
    keys: GuestKeys,
    rows: int,
    seed: int,
    stopped: threading.Event,
) -> Counter[str]:
    """Write to random rows until *stopped*."""
    choose, bypassing, writes = random.Random(seed), Counter[str](), 0  # noqa: S311 (which rows, not keys)
    with connect() as connection:
        while not stopped.is_set() or writes < _WRITES:
            writes += 1
            number = choose.randrange(1, rows)
            key, email = (number, f"b{number % 3}"), f"new{choose.random()}@example.com"
            action = choose.choice((write_both, write_old, touch, replace))
            bypassing += action(connection, keys, key, email)
    return bypassing


def write_both(connection: Connection, keys: GuestKeys, key: Key, email: str) -> Counter[str]:
    """Write old and new columns."""
    _update(connection, key, {**keys.written(email, key), **keys.added(email, key)})
    return Counter()


def write_old(connection: Connection, keys: GuestKeys, key: Key, email: str) -> Counter[str]:
    """Write old columns alone."""
    return Counter(UPDATE=_update(connection, key, keys.written(email, key)))


def touch(connection: Connection, _: GuestKeys, key: Key, __: str) -> Counter[str]:
    """Write another column."""
    connection.execute("UPDATE guests SET visits = visits + 1 WHERE (id, branch) = (%s, %s)", key)
    return Counter()


def replace(connection: Connection, keys: GuestKeys, key: Key, email: str) -> Counter[str]:
    """Delete a row and insert it again without new tokens, in one transaction."""
    row = {"id": key[0], "branch": key[1], **keys.written(email, key)}
    insert = SQL("INSERT INTO guests ({}) VALUES ({})").format(
        SQL(", ").join(map(Identifier, row)), SQL(", ").join([SQL("%s")] * len(row))
    )
    with connection.transaction():
        deleted = connection.execute("DELETE FROM guests WHERE (id, branch) = (%s, %s)", key)
        inserted = deleted.rowcount and connection.execute(insert, list(row.values()))
    return Counter(INSERT=1) if inserted else Counter()


def _update(connection: Connection, key: Key, columns: dict[str, Any]) -> int:
    """Update one row, and return the number of rows that were there."""
    changes = SQL(", ").join(SQL("{} = %s").format(Identifier(name)) for name in columns)
    statement = SQL("UPDATE guests SET {} WHERE (id, branch) = (%s, %s)").format(changes)
    return connection.execute(statement, [*columns.values(), *key]).rowcount
