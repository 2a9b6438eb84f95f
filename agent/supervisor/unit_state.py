"""State of a unit, which its supervisor writes beside ``run.json`` for other processes to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from app_integration._internal.private_file import write_private


class RunState(StrEnum):
    """State of a unit's agent."""

    #: The agent is about to be started.
    STARTING = "starting"
    #: The agent's process is running.
    RUNNING = "running"
    #: The agent exited, or could not be started. The next start follows after a backoff.
    WAITING = "waiting"
    #: The application's interpreter cannot check files. The next check follows after a backoff.
    BLOCKED = "blocked"
    #: The agent cannot be started until ``run.json`` changes.
    FAILED = "failed"
    #: The supervisor, or this unit, was stopped.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class UnitState:
    """State of a unit, as it is written to ``state.json``.

    *since* is in ISO 8601, UTC. *digest* is the SHA-256 of the ``run.json`` that the unit was
    started on; empty if it was removed. *reason* contains no secret.
    """

    generation: str
    state: RunState
    pid: int | None
    since: str
    reason: str | None
    digest: str


def state_file(folder: Path) -> Path:
    """Return the path of the state of the unit in *folder*."""
    return folder / "state.json"


def read_state(folder: Path) -> UnitState | None:
    """Return the state of the unit in *folder*; None if there is none, or it is invalid."""
    try:
        fields = json.loads(state_file(folder).read_text(encoding="utf-8"))
        return UnitState(**{**fields, "state": RunState(fields["state"])})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_state(folder: Path, state: UnitState) -> None:
    """Replace the state of the unit in *folder* atomically."""
    write_private(state_file(folder), f"{json.dumps(asdict(state))}\n")


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(tz=UTC)


@dataclass(slots=True)
class StateRecorder:
    """Recorder of the states of one unit, while it runs on one ``run.json``."""

    folder: Path
    generation: str
    digest: str
    now: Callable[[], datetime] = utc_now

    def is_changed(self) -> bool:
        """Return whether ``run.json`` differs from the one that the unit ran on before."""
        before = read_state(self.folder)
        return before is None or before.digest != self.digest

    def write(self, state: RunState, *, pid: int | None = None, reason: str | None = None) -> None:
        """Write *state*."""
        since = self.now().isoformat(timespec="milliseconds")
        fields = UnitState(self.generation, state, pid, since, reason, self.digest)
        write_state(self.folder, fields)

    def forget(self) -> None:
        """Forget ``run.json``, because it was removed.

        If the same file is written again it counts as changed, so that its writer sees it start.
        """
        self.generation, self.digest = "", ""
