"""Reading of single environment variables. An empty one counts as not set."""

from __future__ import annotations

import grp
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration.errors import ConfigurationError

#: The sources of secrets, by the names that ``STRONGROOM_SOURCES`` takes.
SOURCES: Final = ("vault", "aws", "rendered", "dotenv")


#: Required variable → what belongs there.
_REQUIRED: Final = {
    "ENVIRONMENT": "dev, staging, prod or another declared one",
    "STRONGROOM_SERVICE": "the declared name of the service, such as parcels",
    "VAULT_ADDR": "the address of the server, such as https://vault.example.com:8200",
}


def require_variable(env: Mapping[str, str], name: str) -> str:
    """Return the text of a variable that must be set."""
    value = env.get(name)
    if not value:
        raise ConfigurationError(
            f"{name} is not set; set it to {_REQUIRED[name]} (for the local deployment, in its "
            "folder: set -a; . .strongroom/env/SERVICE.env)"
        )
    return value


def read_path(env: Mapping[str, str], name: str) -> Path | None:
    """Return the path in a variable, None if it is not set."""
    value = env.get(name)
    return Path(value) if value else None


def read_list(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the words in a variable, which commas separate; none if it is not set."""
    return tuple(word for each in env.get(name, "").split(",") if (word := each.strip()))


def read_path_pair(env: Mapping[str, str], one: str, other: str) -> tuple[Path, Path] | None:
    """Return the paths in two variables, such as a certificate and its key.

    None if neither is set; one without the other is an error.
    """
    first, second = read_path(env, one), read_path(env, other)
    if first is not None and second is not None:
        return first, second
    if first is None and second is None:
        return None
    missing, given = (one, other) if first is None else (other, one)
    raise ConfigurationError(f"{missing} is not set, and {given} needs it; set both or none")


def read_name(env: Mapping[str, str], name: str) -> str | None:
    """Return the name in a variable, None if it is not set."""
    value = env.get(name)
    return names.check_service_name(value) if value else None


def read_choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """Return the word in a variable; the first one of *allowed* if it is not set."""
    value = env.get(name) or allowed[0]
    if value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")
    return value


def read_sources(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sources in their order; none if the variable is not set."""
    found = read_list(env, "STRONGROOM_SOURCES")
    if unknown := [word for word in found if word not in SOURCES]:
        raise ConfigurationError(
            f"STRONGROOM_SOURCES names {unknown[0]!r}; expected some of {', '.join(SOURCES)}"
        )
    if len(set(found)) < len(found):
        raise ConfigurationError("STRONGROOM_SOURCES names a source twice; remove one")
    return found


def read_reader_group(env: Mapping[str, str]) -> int | None:
    """Return the id of the group whose members may read delivered files; None if there is none."""
    group = env.get("STRONGROOM_READER_GROUP")
    if not group:
        return None
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"STRONGROOM_READER_GROUP is {group!r}, which is no group of this machine; create it, "
            "or give its id"
        ) from None
