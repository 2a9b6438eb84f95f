"""Ports of a deployment, stored in its folder so that later commands use the same ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from local.layout import Layout
from local.ports import HIGHEST, Ports, setting

#: Names that the first version of the file did not have.
_LATER: Final = frozenset({"aws"})


class RunsOnOtherPort(ConfigurationError):
    """A variable that names another port than the one a deployment is running on."""


def read(layout: Layout) -> Ports | None:
    """Return the ports that the deployment was last started on, or None if it never was."""
    if not layout.ports.exists():
        return None
    try:
        return Ports(**_numbers(json.loads(layout.ports.read_text(encoding="utf-8"))))
    except (ValueError, TypeError, ConfigurationError):
        raise ConfigurationError(
            f"{layout.ports} is damaged; remove it, then set the ports as variables and run: "
            "strongroom up"
        ) from None


def write(layout: Layout, ports: Ports) -> None:
    """Store *ports* as those of the deployment.

    A port of a later version is left out at its default, because an earlier version of the same
    format takes a name that it does not know for damage.
    """
    defaults = Ports().by_name()
    stored = {
        name: port
        for name, port in ports.by_name().items()
        if name not in _LATER or port != defaults[name]
    }
    write_private(layout.ports, json.dumps(stored))


def choose(
    root: Path,
    stored: Mapping[str, int],
    requested: Mapping[str, int],
    running: Mapping[str, int],
    movable: Collection[str],
) -> Ports:
    """Return the ports that a command uses.

    These are the stored ones, except the requested ones of movable parts that are not running.
    """
    reject_other_ports(root, requested, running)
    moved = {name: port for name, port in requested.items() if name in movable}
    return Ports(**{**stored, **moved})


def reject_other_ports(
    root: Path, requested: Mapping[str, int], running: Mapping[str, int]
) -> None:
    """Check that no part of the deployment is running on another port than the requested one."""
    for name, port in requested.items():
        if running.get(name, port) != port:
            raise RunsOnOtherPort(
                f"{setting(name)} is {port}, but the deployment in {root} is running on port "
                f"{running[name]}; unset {setting(name)} to use that deployment, run "
                "strongroom down before strongroom up to move it, or start another one with "
                "strongroom up --root FOLDER"
            )


def _numbers(value: Any) -> dict[str, int]:
    """Return *value* if it is an object of port numbers; raise ValueError or TypeError if not."""
    if not isinstance(value, dict):
        raise TypeError
    if any(type(port) is not int or not 1 <= port <= HIGHEST for port in value.values()):
        raise ValueError
    return value
