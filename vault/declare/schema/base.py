"""Base class of all models of a declaration."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

#: Separates the description of a field from what holds without it, where a default cannot say it.
WITHOUT: Final = "; by default "


class Section(BaseModel):
    """One mapping of a file: immutable, without unknown keys and without type conversion."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class HookSection(Section):
    """One mapping of hooks: each field is a command, or None if the hook is not declared."""

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """Return the command of each hook that is declared, by its name."""
        return {name: command for name, command in self if command is not None}
