"""Stages of a migration, in their order, and what each of them means for going on and back."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far a migration is. Each stage is entered when its condition is proved.

    Attributes:
        GUARDED: Columns of tokens and guard are there; some writers may not encrypt yet.
        DUAL_WRITING: No writer bypassed for the declared time, and the guard refuses those that do.
        BACKFILLED: No row lacks a token or index value.
        VERIFIED: A pass over all rows found each token to be of its old value.
        INDEXED: The columns of blind indexes have their database indexes.
        SWITCHED: Applications read new tokens; the old columns are still written.
        NULLED: The old columns have no values.
        DROPPED: The old columns are gone, and with them the way back.

    """

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
