"""Target systemd: a unit for the agent, and one that delivers and starts the application."""

from agent.targets.systemd.units import build

__all__ = ["build"]
