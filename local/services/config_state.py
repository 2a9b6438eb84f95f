"""State of a service's config file on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.supervisor.unit_state import RunState, read_state
from app_integration.config.delivery_status import Status, read_status
from app_integration.names import Environment, Scope
from local.docker.image_models import FORMAT_ONLY, read_services
from local.layout import Layout


@dataclass(frozen=True, slots=True)
class ConfigState:
    """State of a service's config file, and of its last delivery.

    *problem* says why the agent does not run; None if it runs, or that is not known.
    """

    live: Path
    since: datetime | None
    last: Status | None
    problem: str | None = None
    note: str | None = None


def read_config_state(layout: Layout, service: str, file: str) -> ConfigState:
    """Return the state of the config *file* of *service*. See :class:`ConfigState`."""
    live = layout.config(service, file)
    try:
        since = datetime.fromtimestamp(live.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        since = None
    unit = read_state(layout.agent(Scope(service, Environment.DEV)))
    problem = unit.reason if unit and unit.state is not RunState.STOPPED else None
    return ConfigState(live, since, read_status(live), problem, read_note(layout, service))


def read_note(layout: Layout, service: str) -> str | None:
    """Return what the deliveries do not check, or None if they check all."""
    return FORMAT_ONLY if service in read_services(layout.unchecked) else None
