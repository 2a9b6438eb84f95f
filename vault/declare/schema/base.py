"""Base class of all models of a declaration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of a file: immutable, without unknown keys and without type conversion."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
