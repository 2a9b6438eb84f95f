"""Stages of a migration, in their order, and what each of them means for going on and back."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far a migration is. Each stage is entered when its condition is proved."""

    GUARDED = "guarded"
    DUAL_WRITING = "dual-writing"
    BACKFILLED = "backfilled"
    VERIFIED = "verified"
    INDEXED = "indexed"
    SWITCHED = "switched"
    NULLED = "nulled"
    DROPPED = "dropped"

    def is_before(self, other: Stage) -> bool:
        """Return whether this stage comes before *other*."""
        stages = list(Stage)
        return stages.index(self) < stages.index(other)
