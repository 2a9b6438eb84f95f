"""Lag of the replicas of a server, and of slots that nobody reads.

A replica that is gone has no lag any more. But its slot keeps the log, until the disk of the server
is full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

_POSITION: Final[LiteralString] = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
# Without the right to them, all but the process is NULL. What copies the log without replaying it
# has no position.
_REPLICAS: Final[LiteralString] = """
    SELECT coalesce(nullif(application_name, ''), host(client_addr), pid::text) AS name,
        state IS NULL AS is_hidden, (replay_lsn - '0/0')::bigint AS position,
        extract(epoch FROM replay_lag)::float AS seconds
    FROM pg_stat_replication WHERE state IS NULL OR replay_lsn IS NOT NULL
    ORDER BY 1
"""
_SLOTS: Final[LiteralString] = """
    SELECT slot_name, (restart_lsn - '0/0')::bigint FROM pg_replication_slots
    WHERE NOT active AND restart_lsn IS NOT NULL ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Replica:
    """A replica, as the server sees it."""

    name: str
    is_hidden: bool
    position: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one replica or slot is behind.

    Attributes:
        name: What it is, and its name.
        seconds: Seconds from a commit until it is replayed there; 0 for a slot, and if the server
            has not measured any.
        size: Bytes of WAL that it has not replayed, or keeps.

    """

    name: str
    seconds: float
    size: int


def read(connection: Connection) -> list[Lag] | None:
    """Return the lag of each replica and unused slot; None if this user may not see it.

    Args:
        connection: A connection to the server that the replicas follow, outside a transaction.

    Raises:
        psycopg.Error: If the server rejects a query.

    """
    (end,) = connection.execute(_POSITION).fetchone() or (0,)
    with connection.cursor(row_factory=class_row(_Replica)) as cursor:
        replicas = cursor.execute(_REPLICAS).fetchall()
    if any(each.is_hidden for each in replicas):
        return None
    slots = connection.execute(_SLOTS).fetchall()
    return [
        *(_measure(each, end) for each in replicas),
        *(Lag(f"unused slot {name}", 0.0, max(0, end - kept)) for name, kept in slots),
    ]


def _measure(replica: _Replica, end: int) -> Lag:
    size = max(0, end - (replica.position or 0))
    # A replica that has replayed all keeps its last lag for some seconds.
    seconds = replica.seconds or 0.0 if size else 0.0
    return Lag(f"replica {replica.name}", seconds, size)
