"""Limits of a migration's sessions, so that a lost machine soon holds no range and no lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, LiteralString

from psycopg import Connection, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout

#: Errors of a session that is lost. A stopped worker that goes on finds that the server ended it.
LOST: Final = (OperationalError, IdleInTransactionSessionTimeout)
#: Options of a connection: the worker notices within 30 s that the database's machine is lost.
OPTIONS: Final[Mapping[str, int]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
#: A role's or database's limit on statements is for queries of the application. Constraints and
#: indexes read the whole table. The server ends a session whose machine is lost, or that stopped
#: within a transaction, after 30 s: the range is free then.
_LIMITS: Final[LiteralString] = """
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = '30s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 4;
    SET tcp_user_timeout = '30s'
"""


def apply(connection: Connection, _record: object = None) -> None:
    """Set the limits of a new session."""
    connection.execute(_LIMITS)
    connection.commit()
