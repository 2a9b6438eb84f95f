"""Services of compose: the agent, and the application that the delivery starts.

A third one, an agent that does nothing, keeps their files in memory while both restart.

The first credential of an agent that logs in by AppRole is in two files of the host, which compose
mounts as secrets. The deployer replaces them, and recreates the agent's container.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.file_templates import render
from agent.quoting import Variable, quote_compose, required_variable
from agent.targets.host import Host
from agent.targets.settings import Places, TargetSettings, image_python
from app_integration.errors import ConfigurationError

#: Ids of the agent's user, and of the group that reads what it renders.
AGENT: Final = 10002
READERS: Final = 10002

_FOLDER: Final = Path("/etc/strongroom-agent")
_STAGING: Final = Path("/run/strongroom-config")
_CREDENTIALS: Final = Path("/run/secrets")
_RECORDS: Final = Path("/var/log/strongroom")
MEMORY: Final = "size=16m,noexec,nosuid,nodev"  # options of a tmpfs


@dataclass(frozen=True, slots=True)
class MountedFile:
    """File of the host that compose mounts as a secret."""

    name: str
    source: Variable
    target: Path


def build(settings: TargetSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    if not host.command:
        raise ConfigurationError(
            "compose drops the command of an image whose entry point is replaced; give the "
            "application's command after --"
        )
    staging = _STAGING / settings.config.file
    places = Places(_FOLDER, staging, _CREDENTIALS, cacert=host.cacert, perms="0640")
    return {
        **settings.agent_files(places),
        "compose.yaml": render(
            "targets/compose/compose.yaml.j2", quote_compose, _values(settings, host, places)
        ),
        "memory.hcl": render("targets/compose/memory.hcl.j2", quote_compose, {}),
    }


def _values(settings: TargetSettings, host: Host, places: Places) -> dict[str, object]:
    service = settings.scope.service
    staging = _STAGING / settings.config.file
    live = Path("/run") / service / "config" / settings.config.file
    return {
        "service": service,
        "environment": settings.scope.environment,
        "agent": f"strongroom-{service}-agent",
        "agent_start": settings.agent_command("bao", places),
        "agent_user": f"{AGENT}:{READERS}",
        "group": str(READERS),
        "memory": f"strongroom-{service}-memory",
        "staging_volume": f"strongroom-{service}-staging",
        "staging_options": f"uid={AGENT},gid={READERS},mode=2750,{MEMORY}",
        "live_volume": f"strongroom-{service}-live",
        "live_options": f"mode=1777,{MEMORY}",
        "files": required_variable(service, "FILES", "the folder of this file"),
        "folder": _FOLDER,
        "staging": staging,
        "live": live,
        "variables": {**settings.variables, **settings.audit_variables(_RECORDS)},
        "records": settings.audit_key and _records(service),
        "records_folder": _RECORDS,
        "secrets": list(_secrets(settings, host)),
        "working_dir": host.folder,
        "start": settings.watch_command(image_python(settings.config), staging, live),
        "command": host.command,
    }


def _secrets(settings: TargetSettings, host: Host) -> Iterator[MountedFile]:
    """Yield the files that the agent reads: what it logs in with, and the server's CA."""
    agent = settings.agent
    found: dict[str, tuple[str | Path | None, str]] = {
        "role-id": (_CREDENTIALS / "role-id", "the file with the role-id"),
        "secret-id": (_CREDENTIALS / "secret-id", "the file with the secret-id"),
    }
    if not settings.needs_secret_id:
        found = {
            "token": (agent.token_file, "the file with the token to log in with"),
            "certificate": (agent.certificate_file, "the PEM file with the client certificate"),
            "key": (agent.key_file, "the PEM file with the key of the client certificate"),
        }
    found["ca"] = (host.cacert, "the PEM file with the CA of the server")
    for name, (target, meaning) in found.items():
        if target is not None:
            variable = required_variable(settings.scope.service, f"{name}_FILE", meaning)
            secret = f"strongroom-{settings.scope.service}-{name}"
            yield MountedFile(secret, variable, Path(target))


def _records(service: str) -> Variable:
    meaning = "a folder for encrypted access records, to which the application's user may write"
    return required_variable(service, "RECORDS", meaning)
