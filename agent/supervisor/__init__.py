"""Supervisor that keeps the agents of this machine running: ``python -m agent.supervisor``."""
