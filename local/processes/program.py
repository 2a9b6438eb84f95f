"""Descriptions of a background process: its command, its record, and its running instance."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import psutil

#: Seconds. The system rounds the boot time and the start time, and they are not read at once.
TOLERANCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Program:
    """A command to run in the background.

    *command* and *environment* contain no secret, and it inherits no variable of the caller. Only
    root can set *user*.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Running:
    """A running background process."""

    name: str
    pid: int
    ports: tuple[int, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """Stored facts that identify a background process.

    *pid* is also the id of its process group. *created* is in seconds since 1970; *after_boot*, in
    seconds since the system's boot, does not move when the clock is set.
    """

    pid: int
    created: float
    after_boot: float
    command: tuple[str, ...]
    ports: tuple[int, ...]
    stop_signal: int

    @classmethod
    def from_process(cls, process: psutil.Process, program: Program) -> Self:
        """Return the record of *process*, which was just started for *program*."""
        return cls(
            pid=process.pid,
            created=process.create_time(),
            after_boot=_after_boot(process),
            command=program.command,
            ports=program.ports,
            stop_signal=program.stop_signal,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the record that :meth:`to_json` returned *value* for.

        Raises KeyError, TypeError or ValueError if it is another value.
        """
        return cls(
            pid=int(value["pid"]),
            created=float(value["created"]),
            after_boot=float(value["after_boot"]),
            command=tuple(value["command"]),
            ports=tuple(value["ports"]),
            stop_signal=int(value["stop_signal"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields, as values that JSON can represent."""
        return asdict(self)

    def matches(self, process: psutil.Process) -> bool:
        """Return whether *process* is the recorded one, and not a later one with its pid.

        Raises psutil.NoSuchProcess if it has exited.
        """
        return abs(_after_boot(process) - self.after_boot) < TOLERANCE

    def running(self, name: str) -> Running:
        """Return the recorded process as a running one called *name*."""
        since = datetime.fromtimestamp(self.created, tz=UTC)
        return Running(name, self.pid, self.ports, since)


def _after_boot(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()
