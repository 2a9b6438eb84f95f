"""Units of systemd: the agent, and the application that the delivery starts.

The first credential of an agent that logs in by AppRole is in two files of root, which systemd
copies to a folder of the unit. Whoever deploys replaces them, and restarts the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent.targets.files import render
from agent.targets.host import Host
from agent.targets.settings import Places, TargetSettings
from app_integration.errors import ConfigurationError

#: Characters of a word that systemd takes as it is. A longer list would have to be quoted.
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+")


def build(settings: TargetSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder.

    Raises:
        ConfigurationError: If a path or a word of the command contains a control character.

    """
    service = settings.scope.service
    agent_unit = f"strongroom-{service}-agent.service"
    runtime = f"strongroom-{service}"
    staging = Path("/run") / runtime / settings.config.file
    folder = host.folder or Path("/srv") / service
    live = Path("/run") / service / settings.config.file
    places = Places(
        folder=Path("/etc/strongroom") / service,
        staging=staging,
        credentials=Path("/run/credentials") / agent_unit,
        cacert=host.cacert,
        perms="0640",
    )
    start = settings.watch_command(str(folder / settings.config.python), staging, live)
    values = {
        "service": service,
        "environment": str(settings.scope.environment),
        "user": service,
        "agent_user": f"{runtime}-agent",
        "group": runtime,
        "runtime": runtime,
        "agent_unit": agent_unit,
        "credentials": settings.needs_secret_id,
        "folder": escape(folder),
        "live": live,
        "command": host.command,
        "start": quote_command([*start, *host.command] if host.command else start[:-1]),
    }
    unit = f"{service}.service" if host.command else f"strongroom-{service}-delivery.service"
    return {
        **settings.agent_files(places),
        agent_unit: _render("agent.service.j2", values),
        unit: _render("application.service.j2", values),
        f"strongroom-{service}.sysusers.conf": _render("sysusers.conf.j2", values),
    }


def quote_command(words: Sequence[str]) -> str:
    """Return *words* for ``ExecStart=``, which expands ``$`` and ``%`` otherwise."""
    return " ".join(quote(word).replace("$", "$$") for word in words)


def quote(value: object) -> str:
    """Return *value* as one word of a unit file.

    Raises:
        ConfigurationError: If it contains a control character.

    """
    text = escape(value)
    if text and _PLAIN.issuperset(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def escape(value: object) -> str:
    """Return *value* for a key that takes the rest of the line, without quotes.

    Raises:
        ConfigurationError: If it contains a control character.

    """
    text = str(value)
    if not text.isprintable():
        raise ConfigurationError(f"{text!r} contains a control character; remove it")
    return text.replace("%", "%%")


def _render(name: str, values: dict[str, Any]) -> str:
    return render("systemd", name, str, values)
