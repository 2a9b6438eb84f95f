"""Outcome of a delivery, as it stands beside the live file for other processes to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app_integration._internal.private_file import Stamp


class State(StrEnum):
    """Outcome of a delivery."""

    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    #: Permanently: these bytes are invalid.
    REFUSED = "refused"
    #: Permanently: the application does not run well on these bytes, and has the file before again.
    ROLLED_BACK = "rolled_back"
    #: For a reason that may pass: a timeout, memory, a full disk, a model that cannot be imported.
    WAITING = "waiting"

    @property
    def is_live(self) -> bool:
        """Return whether the live file has the rendered content."""
        return self in {State.DELIVERED, State.UNCHANGED}

    @property
    def is_final(self) -> bool:
        """Return whether the same bytes need no further attempt."""
        return self is not State.WAITING


@dataclass(frozen=True, slots=True)
class Status:
    """Outcome of the last delivery, as it is written to ``<live>.status.json``.

    Times are in ISO 8601, UTC. *since* and *attempts* count from the first delivery of the same
    staging file with the same result. *staged* is None if the file was missing, or the SDK could
    not render it.
    """

    state: State
    reason: str | None
    when: str
    since: str
    attempts: int
    staged: Stamp | None


def status_file(live: Path) -> Path:
    """Return the path of the status of the last delivery to *live*."""
    return live.with_name(f"{live.name}.status.json")


def read_status(live: Path) -> Status | None:
    """Return the status of the last delivery to *live*; None if there is none, or it is invalid."""
    try:
        return parse_status(status_file(live).read_bytes())
    except OSError:
        return None


def parse_status(content: bytes) -> Status | None:
    """Return the status in the *content* of a status file; None if it is invalid."""
    try:
        fields = json.loads(content)
        staged = fields["staged"] and tuple(fields["staged"])
        return Status(**{**fields, "state": State(fields["state"]), "staged": staged})
    except (ValueError, TypeError, KeyError):
        return None
