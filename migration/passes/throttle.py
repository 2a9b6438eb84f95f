"""Throttle of the workers of a migration: what holds them, and what limits their duty.

Everything is read with short queries, at most once a second, so that a worker may ask before each
batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import Connection

from migration import states
from migration.passes import replica_lag
from migration.passes.replica_lag import Lag

#: Seconds for which a reading is used.
_INTERVAL: Final = 1.0
#: Seconds of lag that readers of a replica are assumed to bear.
DEFAULT_LAG: Final = 10.0
#: Bytes of lag: a quarter of the WAL that a server keeps by default.
DEFAULT_LAG_SIZE: Final = 256 << 20

_HIDDEN: Final = (
    "the lag of the replicas is unknown, and does not hold the workers; grant pg_monitor to this"
    " user"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds workers.

    Attributes:
        flag: A file that holds them while it exists; None for none.
        seconds: Seconds of a replica's lag, above which they are held.
        size: Bytes of a replica's lag, above which they are held.

    """

    flag: Path | None = None
    seconds: float = DEFAULT_LAG
    size: int = DEFAULT_LAG_SIZE


@dataclass(frozen=True, slots=True)
class Reading:
    """What the throttle says at one time.

    Attributes:
        reason: Why workers wait, or None if they go on.
        duty: The part of its time that each worker may work, in place of that it was started with;
            None for the latter.
        is_lag_known: Whether this user may see the lag of the replicas.

    """

    reason: str | None = None
    duty: float | None = None
    is_lag_known: bool = True


class Throttle:
    """Throttle of one worker. Not thread-safe."""

    def __init__(
        self,
        name: str,
        limits: Limits,
        clock: Callable[[], float],
        warn: Callable[[str], object],
    ) -> None:
        """Create a throttle. Nothing is read.

        Args:
            name: Name of the migration.
            limits: What holds the worker.
            clock: Returns monotonic seconds.
            warn: Reports to a person, once, what cannot be read.

        """
        self._name = name
        self._limits = limits
        self._clock = clock
        self._warn = warn
        self._last: tuple[float, Reading] | None = None
        self._has_warned = False

    def read(self, connection: Connection) -> Reading:
        """Return what holds the worker, or limits its duty, as of a second ago at most.

        Args:
            connection: A connection that commits each statement.

        Raises:
            psycopg.Error: If the server rejects a query.

        """
        now = self._clock()
        if self._last is None or now - self._last[0] >= _INTERVAL:
            self._last = now, self._read(connection)
        return self._last[1]

    def _read(self, connection: Connection) -> Reading:
        state = states.read(connection, self._name)
        lags = replica_lag.read(connection)
        if lags is None and not self._has_warned:
            self._has_warned = True
            self._warn(_HIDDEN)
        if state is None:
            reason: str | None = f"migration {self._name} is not there any more"
        elif state.is_paused:
            user = states.find_pausing_user(connection, self._name)
            reason = f"the migration is paused by {user}"
        else:
            reason = self._find_reason(lags or [])
        duty = None if state is None else state.duty
        return Reading(reason, duty, is_lag_known=lags is not None)

    def _find_reason(self, lags: list[Lag]) -> str | None:
        if self._limits.flag is not None and self._limits.flag.exists():
            return f"the file {self._limits.flag} exists"
        for lag in lags:
            if lag.seconds > self._limits.seconds or lag.size > self._limits.size:
                return f"{lag.name} is {lag.seconds:.0f} s and {lag.size / 1_000_000:.1f} MB behind"
        return None
