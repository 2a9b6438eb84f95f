"""File ``docker-compose.yml`` of a repository: where it is, and which services it has."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml

from app_integration.errors import ConfigurationError
from local.docker.compose import ONE_SHOT, SERVERS
from local.docker.engine import USE_EMBEDDED

FILE: Final = "docker-compose.yml"
#: Files that docker compose reads instead, if they are beside it.
PREFERRED: Final = ("compose.yaml", "compose.yml")
#: Folder of a deployment in its repository.
_DEPLOYMENT: Final = ".strongroom"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
#: Where the mail server of the image was before :mod:`local`.
_FORMER_PACKAGE: Final = b"vault.runtime."
_NEEDED: Final = frozenset({*ONE_SHOT, *SERVERS, "network", "agent"})


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A ``docker-compose.yml`` that starts a deployment."""

    name: str
    services: tuple[str, ...]
    needs_tool: bool

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the file in *folder*."""
        path = folder / FILE
        try:
            text = path.read_bytes()
            found = cls._parse(yaml.safe_load(text))
        except FileNotFoundError:
            raise _unusable(path, "does not exist") from None
        except (OSError, UnicodeError, yaml.YAMLError, TypeError, KeyError, AttributeError):
            raise _unusable(path, "starts no deployment") from None
        if found is None:
            raise _unusable(path, "starts no deployment")
        if _FORMER_PACKAGE in text:
            raise _unusable(path, "is one of an earlier version, whose image had other modules")
        for other in PREFERRED:
            if (folder / other).exists():
                raise _unusable(folder / other, f"would be read instead of {FILE}")
        return found

    @classmethod
    def _parse(cls, data: Any) -> Self | None:
        """Return the file with the content *data*, or None if it starts no deployment."""
        services = {str(name): each for name, each in data["services"].items()}
        if not services.keys() >= _NEEDED or not _NAME.fullmatch(data["name"]):
            return None
        arguments = services["apply"]["build"]["args"]
        return cls(data["name"], tuple(services), "TOOL" in arguments)


def project_name(root: Path) -> str:
    """Return the name of the compose project of the deployment in *root*.

    For the folder ``.strongroom`` of a repository it is the name that a plain ``docker compose``
    uses there.
    """
    if root.name == _DEPLOYMENT:
        try:
            return ComposeFile.read(root.parent).name
        except ConfigurationError:
            pass
    return f"strongroom-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"


def _unusable(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} {problem}; copy docker-compose.yml, Dockerfile and .dockerignore from a new "
        f"repository (strongroom init FOLDER), {USE_EMBEDDED}"
    )
