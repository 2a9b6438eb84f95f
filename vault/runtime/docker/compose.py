"""What ``docker-compose.yml`` calls things, and what its engine tells of one of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vault.runtime.docker.engine import is_healthy
from vault.runtime.runtime import Status

PROJECT: Final = Path(__file__).resolve().parents[3]
LABEL: Final = "com.docker.compose"
SERVICE: Final = f"{LABEL}.service"
#: Service → title, for those that stay.
TITLES: Final = {
    "vault": "OpenBao, dev mode (secrets)",
    "database": "PostgreSQL",
    "redis": "Valkey (Redis)",
    "smtp": "SMTP sink",
    "agent": "Agent (delivers the config)",
    "store": "Store",
}
#: Each after those that it waits for.
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
)


def in_order(names: Iterable[str]) -> list[str]:
    """*names* of services, each after those it waits for: a cause before what comes of it."""
    return sorted(names, key=lambda name: (*ORDER, name).index(name))


def project_name(root: Path) -> str:
    """What compose calls the deployment in *root*: the default one as without our help."""
    if root == PROJECT / ".strongroom":
        return "strongroom"
    return f"strongroom-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"


def status_of(name: str, title: str, port: int, state: Mapping[str, Any]) -> Status:
    """What *state*, as the engine has it, says of the service *name*; empty when it isn't there."""
    running = bool(state) and is_healthy(state)
    return Status(
        name=name,
        title=title,
        port=port,
        running=running,
        pid=state["Pid"] if running else None,
        # Nanoseconds, which Python before 3.12 doesn't read.
        since=datetime.fromisoformat(f"{state['StartedAt'][:19]}+00:00") if running else None,
    )
