"""What the operator says about the machine, container or pod that a target is built for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app_integration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Host:
    """Application's place on the host, which the declaration does not know.

    Attributes:
        folder: Folder from which the application's model is imported; None for the target's
            default.
        command: The application's command; empty if something else starts the application.
        cacert: PEM file of the CA that signed the server's certificate; None for the system's CAs.

    """

    folder: Path | None = None
    command: tuple[str, ...] = ()
    cacert: Path | None = None


def require_command(host: Host) -> None:
    """Check that there is a command, which a container's delivery starts.

    Raises:
        ConfigurationError: If there is none.

    """
    if not host.command:
        raise ConfigurationError(
            "the delivery starts the application in its container, in place of the image's "
            "command; give the application's command after --"
        )
