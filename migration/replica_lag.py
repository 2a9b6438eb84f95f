"""Lag of the replicas of a server, in seconds and bytes, and of slots that nobody reads.

The server's own measure, ``replay_lag``, stays at its last value while a replica replays nothing,
and is NULL on an idle one. So the positions of the log are remembered: a replica that has not
replayed the end of ten seconds ago is ten seconds behind. For a replica that is gone, its slot
keeps the log, until the disk of the server is full.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

#: Seconds of positions that are remembered; a longer lag counts as this one.
_MEMORY: Final = 3600.0

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
        seconds: Seconds since it had replayed all; 0 for a slot.
        size: Bytes of WAL that it has not replayed, or keeps.

    """

    name: str
    seconds: float
    size: int


class Positions:
    """Positions of the end of the log, by the time at which they were read."""

    def __init__(self) -> None:
        self._known: deque[tuple[float, int]] = deque()

    def add(self, now: float, position: int) -> None:
        """Remember that the log ended at *position*, and forget what is too old."""
        if not self._known or self._known[-1][1] != position:
            self._known.append((now, position))
        while len(self._known) > 1 and self._known[1][0] < now - _MEMORY:
            self._known.popleft()

    def seconds_behind(self, now: float, replayed: int) -> float:
        """Return for how long the log has had what comes after *replayed*, as far as is known."""
        return next((now - at for at, position in self._known if position > replayed), 0.0)


class ReplicaLag:
    """Lag of the replicas of one server."""

    def __init__(self) -> None:
        self._positions = Positions()

    def read(self, connection: Connection, now: float) -> list[Lag] | None:
        """Return the lag of each replica and unused slot; None if this user may not see it.

        Args:
            connection: A connection to the server that the replicas follow, outside a transaction.
            now: Monotonic seconds.

        Raises:
            psycopg.Error: If the server rejects a query.

        """
        (end,) = connection.execute(_POSITION).fetchone() or (0,)
        self._positions.add(now, end)
        with connection.cursor(row_factory=class_row(_Replica)) as cursor:
            replicas = cursor.execute(_REPLICAS).fetchall()
        if any(each.is_hidden for each in replicas):
            return None
        slots = connection.execute(_SLOTS).fetchall()
        return [
            *(self._measure(each, now, end) for each in replicas),
            *(Lag(f"unused slot {name}", 0.0, max(0, end - kept)) for name, kept in slots),
        ]

    def _measure(self, replica: _Replica, now: float, end: int) -> Lag:
        replayed = replica.position or 0
        seconds = self._positions.seconds_behind(now, replayed)
        if replayed < end:
            seconds = max(seconds, replica.seconds or 0.0)
        return Lag(f"replica {replica.name}", seconds, max(0, end - replayed))
