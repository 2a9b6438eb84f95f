"""Stages of a migration, in their order, and what each of them means for going on and back."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far a migration is. Each stage is entered when its condition is proved.

    Attributes:
        GUARDED: Columns of tokens and guard are there; some writers may not encrypt yet.
        DUAL_WRITING: No writer bypassed for the declared time, and the guard refuses those that do.
        BACKFILLED: No row lacks a token or index value.
        VERIFIED: A pass over all rows found each token to be of its plaintext.
        INDEXED: The columns of blind indexes have their database indexes.
        SWITCHED: Applications read tokens; plaintext is still written.
        NULLED: The plaintext columns have no values.
        DROPPED: The plaintext columns are gone, and with them the way back.

    """

    GUARDED = "guarded"
    DUAL_WRITING = "dual-writing"
    BACKFILLED = "backfilled"
    VERIFIED = "verified"
    INDEXED = "indexed"
    SWITCHED = "switched"
    NULLED = "nulled"
    DROPPED = "dropped"

    @property
    def following(self) -> Stage | None:
        """Return the stage after this one, or None if it is the last."""
        stages = list(Stage)
        at = stages.index(self) + 1
        return stages[at] if at < len(stages) else None

    @property
    def is_confirmed(self) -> bool:
        """Return whether a person confirms the stage, because it takes plaintext away."""
        return self in (Stage.NULLED, Stage.DROPPED)

    @property
    def has_plaintext(self) -> bool:
        """Return whether the plaintext columns have the current values."""
        return self not in (Stage.NULLED, Stage.DROPPED)
