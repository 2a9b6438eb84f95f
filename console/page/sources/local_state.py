"""State of the local deployment: its parts, and the delivered configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from console import operate
from console.config_state import ConfigState
from vault.runtime.runtime import Status


@dataclass(frozen=True, slots=True)
class LocalState:
    """State of the local deployment.

    Attributes:
        parts: State of each server, and of the agents.
        configs: Service → state of its config.

    """

    parts: tuple[Status, ...]
    configs: Mapping[str, ConfigState]


def read_local_state(root: Path) -> LocalState:
    """Return the state of the local deployment in *root*.

    Raises:
        StrongroomError: If there is none.

    """
    local = operate.local_deployment(root)
    return LocalState(local.status(), local.read_config_states())
