"""Check that a connection keeps its session, on which locks and settings of a command depend.

A pooler that works by transactions, as PgBouncer may, hands the session of a connection to others
between two transactions. A lock of the session then stays with a session that others use.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final, LiteralString

from psycopg import Connection

from app_integration.errors import ConfigurationError

#: Connections that take sessions from the pooler, if there is one. It may hand out those first that
#: were idle for long.
_OTHERS: Final = 3
_PROCESS: Final[LiteralString] = "SELECT pg_backend_pid()"


def check(
    connection: Connection, connect: Callable[[], AbstractContextManager[Connection]]
) -> None:
    """Check that *connection* keeps its session while other connections use the database."""
    with ExitStack() as held:
        for _ in range(_OTHERS):
            before = _read_process(connection)
            other = held.enter_context(connect())
            # Its transaction stays open, so that the next one must get another session.
            held.enter_context(other.transaction())
            if _read_process(other) == before or _read_process(connection) != before:
                raise ConfigurationError(
                    "the database is behind a pooler that changes the session between two"
                    " transactions, so locks and settings of a session would not hold; connect to"
                    " the database directly, or to a pool that works by sessions, and repeat the"
                    " command"
                )


def _read_process(connection: Connection) -> object:
    """Return the process of the server that *connection* uses now."""
    # A prepared statement would fail in another session.
    return connection.execute(_PROCESS, prepare=False).fetchone()
