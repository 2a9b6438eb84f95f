"""Target compose: a service for the agent, and the delivery that starts the application."""

from agent.targets.compose.services import build

__all__ = ["build"]
