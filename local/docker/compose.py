"""Names in ``docker-compose.yml``, and the status of its services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final

from local.docker.engine import is_healthy
from local.runtime_interface import Status

#: The deployment's folder in the one-shot services, which mount all of its volumes.
INSIDE: Final = PurePosixPath("/strongroom")
LABEL: Final = "com.docker.compose"
SERVICE: Final = f"{LABEL}.service"
#: Services that exit once they are done.
ONE_SHOT: Final = ("prepare", "apply")
#: Services that the others connect to.
SERVERS: Final = ("vault", "database", "redis", "smtp")
#: Service → title, of those that a repository's file has, and of the examples.
TITLES: Final = {
    "vault": "OpenBao, dev mode (secrets)",
    "database": "PostgreSQL",
    "redis": "Valkey (Redis)",
    "smtp": "SMTP sink",
    "agent": "Agents (deliver the configs)",
    "store": "Store",
    "worker": "Mail worker",
}
#: Each service after those that it depends on.
ORDER: Final = (
    "network",
    "prepare",
    "vault",
    "database",
    "redis",
    "smtp",
    "apply",
    "agent",
    "store",
    "worker",
)


def sort_by_dependency(names: Iterable[str]) -> list[str]:
    """Return the services *names*, each after those that it depends on.

    In a list of failures, a cause thus comes before its consequences.
    """
    return sorted(names, key=lambda name: (*ORDER, name).index(name))


def find_titles(services: Iterable[str]) -> dict[str, str]:
    """Return the title of each of *services* that stays running and does something.

    A service that a team has added has its name as title.
    """
    names = [name for name in services if name not in {*ONE_SHOT, "network"}]
    return {name: TITLES.get(name, name) for name in sort_by_dependency(names)}


def to_status(name: str, title: str, port: int, state: Mapping[str, Any]) -> Status:
    """Return the status of the service *name*."""
    running = bool(state) and is_healthy(state)
    return Status(
        name=name,
        title=title,
        port=port,
        running=running,
        pid=state["Pid"] if running else None,
        # Drop the nanoseconds, because fromisoformat before Python 3.12 rejects them.
        since=datetime.fromisoformat(f"{state['StartedAt'][:19]}+00:00") if running else None,
    )
