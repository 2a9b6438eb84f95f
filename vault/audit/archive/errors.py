"""Errors of the archive."""

from __future__ import annotations

from app_integration.errors import StrongroomError


class ArchiveFailed(StrongroomError):
    """A log that was not archived. Its lines are in the log, or in the renamed one beside it."""


class SegmentDamaged(StrongroomError):
    """A segment whose content is not whole."""
