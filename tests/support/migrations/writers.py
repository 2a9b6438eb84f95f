"""Writers of guests while their table is migrated: some encrypt, some bypass the migration."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, LiteralString, TypeAlias

from psycopg import Connection

from tests.support.migrations.guests import GuestKeys

Key: TypeAlias = tuple[int, str]
_WRITES: Final = 50  # of each writer, at least


def write(
    connect: Callable[[], Connection],
    keys: GuestKeys,
    rows: int,
    seed: int,
    stopped: threading.Event,
) -> Counter[str]:
    """Write to random rows until *stopped*.

    Args:
        connect: Opens a connection that commits each statement.
        keys: Keys of this process.
        rows: The number of guests.
        seed: Seed of the choice of rows and writes.
        stopped: Set when the writer is to end.

    Returns:
        The number of writes that did not encrypt, by their operation.

    """
    choose, bypassing, writes = random.Random(seed), Counter[str](), 0  # noqa: S311 (which rows, not keys)
    with connect() as connection:
        while not stopped.is_set() or writes < _WRITES:
            writes += 1
            number = choose.randrange(1, rows)
            key, email = (number, f"b{number % 3}"), f"new{choose.random()}@example.com"
            action = choose.choice((write_both, write_plaintext, touch, replace))
            bypassing += action(connection, keys, key, email)
    return bypassing


def write_both(connection: Connection, keys: GuestKeys, key: Key, email: str) -> Counter[str]:
    """Write plaintext, token and index value."""
    written = (email, keys.email.encrypt(email, *key), keys.index.value(email), *key)
    connection.execute(
        "UPDATE guests SET email = %s, email_token = %s, email_index = %s"
        " WHERE (id, branch) = (%s, %s)",
        written,
    )
    return Counter()


def write_plaintext(connection: Connection, _: GuestKeys, key: Key, email: str) -> Counter[str]:
    """Write plaintext alone."""
    statement: LiteralString = "UPDATE guests SET email = %s WHERE (id, branch) = (%s, %s)"
    return Counter(UPDATE=connection.execute(statement, (email, *key)).rowcount)


def touch(connection: Connection, _: GuestKeys, key: Key, __: str) -> Counter[str]:
    """Write another column."""
    connection.execute("UPDATE guests SET visits = visits + 1 WHERE (id, branch) = (%s, %s)", key)
    return Counter()


def replace(connection: Connection, _: GuestKeys, key: Key, email: str) -> Counter[str]:
    """Delete a row and insert it again without tokens, in one transaction."""
    with connection.transaction():
        deleted = connection.execute("DELETE FROM guests WHERE (id, branch) = (%s, %s)", key)
        inserted = deleted.rowcount and connection.execute(
            "INSERT INTO guests (id, branch, email) VALUES (%s, %s, %s)", (*key, email)
        )
    return Counter(INSERT=1) if inserted else Counter()
