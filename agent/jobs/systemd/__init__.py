"""Jobs under systemd: a unit, its timer, and what starts when it fails."""

from agent.jobs.systemd.units import build

__all__ = ["build"]
