"""What the operator says about the machine, container or pod that a target is built for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app_integration.errors import ConfigurationError
from vault.declare.schema.model import Config


@dataclass(frozen=True, slots=True)
class Host:
    """Application's place on the host, which the declaration does not know."""

    folder: Path | None = None
    command: tuple[str, ...] = ()
    cacert: Path | None = None


def require_command(host: Host) -> None:
    """Check that there is a command, which a container's delivery starts."""
    if not host.command:
        raise ConfigurationError(
            "the delivery starts the application in its container, in place of the image's "
            "command; give the application's command after --"
        )


def check_reach(config: Config, service: str, host: Host) -> None:
    """Check that the delivery can see and tell the application."""
    if host.command:
        return
    file = f"services/{service}.yaml"
    if config.reload == "restart" or config.reload.startswith("SIG"):
        raise ConfigurationError(
            f"config.reload in {file} is {config.reload!r}, for which the delivery must start the "
            "application; give its command after --"
        )
    if config.health is None:
        raise ConfigurationError(
            f"config.health in {file} is not declared, and without the application's command "
            "nothing else shows how it runs; declare it, or give the command after --"
        )
