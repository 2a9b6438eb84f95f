"""What to run in the background, and what is remembered of it once it runs."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import psutil

#: Both times below are rounded by the system, and may be read a moment apart.
TOLERANCE: Final = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Program:
    """One background process. Its command and environment hold no secret."""

    name: str
    command: tuple[str, ...]
    folder: Path  # where it runs
    environment: Mapping[str, str] = field(default_factory=dict)  # nothing else is inherited
    ports: tuple[int, ...] = ()  # where it listens
    user: str | None = None  # whom to become; only root can
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs."""

    name: str
    pid: int
    ports: tuple[int, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a process, to know it again.

    *after_boot* tells it from a later process with the same pid: unlike *created*, it doesn't move
    when the clock is set.
    """

    pid: int
    created: float  # seconds since 1970
    after_boot: float  # seconds
    command: tuple[str, ...]
    ports: tuple[int, ...]
    stop_signal: int

    @classmethod
    def of(cls, process: psutil.Process, program: Program) -> Self:
        """The record of *process*, which was just started for *program*."""
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
        """What :meth:`to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: *value* is something else.

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
        """Plain values."""
        return asdict(self)

    def is_of(self, process: psutil.Process) -> bool:
        """Whether *process* is the one recorded, and not a later one with its pid.

        Raises:
            psutil.NoSuchProcess: it ended.

        """
        return abs(_after_boot(process) - self.after_boot) < TOLERANCE

    def running(self, name: str) -> Running:
        """The recorded process, by *name*."""
        since = datetime.fromtimestamp(self.created, tz=UTC)
        return Running(name, self.pid, self.ports, since)


def _after_boot(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()
