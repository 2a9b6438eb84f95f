"""Targets that an agent can be built for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agent.targets import compose, kubernetes, systemd
from agent.targets.host import Host
from agent.targets.settings import TargetSettings

#: Name of the target → function that returns the text of each file, by its path.
BUILDERS: Final[Mapping[str, Callable[[TargetSettings, Host], dict[str, str]]]] = {
    "compose": compose.build,
    "kubernetes": kubernetes.build,
    "systemd": systemd.build,
}
