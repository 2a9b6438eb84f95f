"""Errors of backups."""

from __future__ import annotations

from app_integration.errors import StrongroomError


class BackupFailed(StrongroomError):
    """A backup that was not made, or whose copy differs. Nothing has its final name."""


class RestoreRefused(StrongroomError):
    """A backup or a target that does not fit. Nothing was restored into the target."""
