"""What every mapping of a declaration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping: frozen once read, no key unknown, no value converted."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
