"""State of the local deployment: its parts, and the delivered configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from console.target.target import Target
from local.runtime_interface import Status
from local.services.config_state import ConfigState


@dataclass(frozen=True, slots=True)
class LocalState:
    """State of the local deployment."""

    parts: tuple[Status, ...]
    configs: Mapping[str, ConfigState]


def read_local_state(target: Target) -> LocalState:
    """Return the state of the local deployment."""
    started = target.local_deployment().started
    return LocalState(started.status(), started.read_config_states())
