"""Reading of single environment variables. An empty one counts as not set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app_integration import names
from app_integration.errors import ConfigurationError


def require_variable(env: Mapping[str, str], name: str) -> str:
    """Return the text of a variable.

    Raises:
        ConfigurationError: If it is not set.

    """
    value = env.get(name)
    if not value:
        raise ConfigurationError(
            f"{name} is not set; docs/Env.md lists the variables an application needs"
            " (for the local deployment: set -a; . .strongroom/env/SERVICE.env)"
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
    """Return the paths in two variables, such as a certificate and its key; None if neither is set.

    Raises:
        ConfigurationError: If only one is set.

    """
    first, second = read_path(env, one), read_path(env, other)
    if first is not None and second is not None:
        return first, second
    if first is None and second is None:
        return None
    missing, given = (one, other) if first is None else (other, one)
    raise ConfigurationError(f"{missing} is not set; {given} needs it")


def require_credential(role_id: Path | None, secret_id: Path | None) -> tuple[Path, Path]:
    """Return the files of a credential, which two variables name.

    Raises:
        ConfigurationError: If one of them is not set.

    """
    if role_id is not None and secret_id is not None:
        return role_id, secret_id
    missing, other = "STRONGROOM_ROLE_ID_FILE", "STRONGROOM_SECRET_ID_FILE"
    if role_id is not None:
        missing, other = other, missing
    raise ConfigurationError(
        f"{missing} is not set; it and {other} name the files of a credential that strongroom"
        " issue-secret-id writes (for the local deployment: strongroom up, then set -a; ."
        " .strongroom/env/SERVICE.env); or select another login with STRONGROOM_AUTH"
    )


def read_name(env: Mapping[str, str], name: str) -> str | None:
    """Return the name in a variable, None if it is not set.

    Raises:
        InvalidName: If it has not the grammar of a service's name.

    """
    value = env.get(name)
    return names.check_service_name(value) if value else None


def read_choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """Return the word in a variable; the first one of *allowed* if it is not set.

    Raises:
        ConfigurationError: If it is none of *allowed*.

    """
    value = env.get(name) or allowed[0]
    if value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")
    return value
