"""Targets that an agent can be built for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from agent.targets import compose, kubernetes, systemd
from agent.targets.host import Host
from agent.targets.sdk import compose as sdk_compose
from agent.targets.sdk import kubernetes as sdk_kubernetes
from agent.targets.sdk import systemd as sdk_systemd
from agent.targets.sdk.settings import SdkSettings
from agent.targets.settings import TargetSettings

#: Name of the target → function that returns the text of each file, by its path.
BUILDERS: Final[Mapping[str, Callable[[TargetSettings, Host], dict[str, str]]]] = {
    "compose": compose.build,
    "kubernetes": kubernetes.build,
    "systemd": systemd.build,
}

#: The same, for a delivery whose file the SDK renders.
SDK_BUILDERS: Final[Mapping[str, Callable[[SdkSettings, Host], dict[str, str]]]] = {
    "compose": sdk_compose.build,
    "kubernetes": sdk_kubernetes.build,
    "systemd": sdk_systemd.build,
}
