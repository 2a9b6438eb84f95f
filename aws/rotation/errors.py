"""Errors of the rotation function. None has a value in its message."""

from __future__ import annotations

from app_integration.errors import StrongroomError


class RotationRefused(StrongroomError):
    """A step that must not run, or whose check failed. Nothing was promoted."""
