"""State of a service's config file on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app_integration.config.delivery_status import Status, read_status


@dataclass(frozen=True, slots=True)
class ConfigState:
    """State of a service's config file, and of its last delivery.

    Attributes:
        live: The file that the service reads.
        since: Time when it was written, or None if it does not exist.
        last: Status of the last delivery, or None if there was none.
        problem: Why the agent does not run, or None if it runs or that is not known.
        note: What the deliveries do not check, or None if they check all.

    """

    live: Path
    since: datetime | None
    last: Status | None
    problem: str | None = None
    note: str | None = None


def read_config_state(
    live: Path, problem: str | None = None, note: str | None = None
) -> ConfigState:
    """Return the state of the config file *live*. See :class:`ConfigState`."""
    try:
        since = datetime.fromtimestamp(live.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        since = None
    return ConfigState(live, since, read_status(live), problem, note)
