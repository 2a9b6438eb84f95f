"""Errors of a migration that its callers tell apart."""

from __future__ import annotations

from app_integration.errors import ConfigurationError, StrongroomError


class MigrationFailed(StrongroomError):
    """The database rejected a statement, or is not reachable. Run it again."""


class MigrationBusy(ConfigurationError):
    """Another command changes the migration. This one changed nothing."""
