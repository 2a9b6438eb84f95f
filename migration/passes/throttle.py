"""Throttle of the workers of a migration: reasons to wait, and limits of their duty.

Everything is read with short queries, at most once a second, so that a worker may ask before each
batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from migration import state_table
from migration.pace import DEFAULT_LAG

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

    *seconds* is 0 for a slot, and if the server has measured none; *size* is the bytes of WAL that
    it has not replayed, or keeps.
    """

    name: str
    seconds: float
    size: int


def read_lags(connection: Connection) -> list[Lag] | None:
    """Return the lag of each replica and unused slot; None if this user may not see it."""
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


#: Seconds for which a reading is used.
_INTERVAL: Final = 1.0
#: Bytes of lag: a quarter of the WAL that a server keeps by default.
DEFAULT_LAG_SIZE: Final = 256 << 20

_HIDDEN: Final = (
    "the lag of the replicas is unknown, and does not hold the workers; grant pg_monitor to this"
    " user"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds workers.

    It is the file *flag*, while it exists, or a replica's lag above *seconds*, or *size* in bytes.
    """

    flag: Path | None = None
    seconds: float = DEFAULT_LAG
    size: int = DEFAULT_LAG_SIZE


@dataclass(frozen=True, slots=True)
class Reading:
    """What the throttle says at one time."""

    reason: str | None = None
    duty: float | None = None


class Throttle:
    """Throttle of one worker. Not thread-safe."""

    def __init__(
        self,
        name: str,
        limits: Limits,
        clock: Callable[[], float],
        warn: Callable[[str], object],
    ) -> None:
        """Create a throttle. Nothing is read."""
        self._name = name
        self._limits = limits
        self._clock = clock
        self._warn = warn
        self._last: tuple[float, Reading] | None = None
        self._has_warned = False

    def read(self, connection: Connection) -> Reading:
        """Return what holds the worker, or limits its duty, as of a second ago at most."""
        now = self._clock()
        if self._last is None or now - self._last[0] >= _INTERVAL:
            self._last = now, self._read(connection)
        return self._last[1]

    def _read(self, connection: Connection) -> Reading:
        state = state_table.read(connection, self._name)
        lags = read_lags(connection)
        if lags is None and not self._has_warned:
            self._has_warned = True
            self._warn(_HIDDEN)
        if state is None:
            reason: str | None = f"migration {self._name} is not there any more"
        elif state.is_paused:
            user = state_table.find_pausing_user(connection, self._name)
            reason = f"the migration is paused by {user}"
        else:
            reason = self._find_reason(lags or [])
        duty = None if state is None else state.duty
        return Reading(reason, duty)

    def _find_reason(self, lags: list[Lag]) -> str | None:
        if self._limits.flag is not None and self._limits.flag.exists():
            return f"the file {self._limits.flag} exists"
        for lag in lags:
            if lag.seconds > self._limits.seconds or lag.size > self._limits.size:
                return f"{lag.name} is {lag.seconds:.0f} s and {lag.size / 1_000_000:.1f} MB behind"
        return None
