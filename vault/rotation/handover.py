"""Folders into which a rotation writes a new credential, and the options of its issue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Handover:
    """Places and options of the new secret-ids of a run.

    Each role has a folder of its own in *out*. *host* is None for that of the old secret-id, and
    *wrap_ttl*, in seconds, for one that is not wrapped.
    """

    out: Path | None = None
    find_used: Callable[[str], Path | None] = lambda _role: None
    host: str | None = None
    wrap_ttl: int | None = None

    def folder(self, role: str) -> Path | None:
        """Return the folder for the new credential of *role*, None if there is none."""
        return self.out / role if self.out is not None else self.find_used(role)

    def is_used(self, role: str) -> bool:
        """Return whether the process of *role* reads its credential from :meth:`folder`."""
        return self.out is None and self.find_used(role) is not None


#: No place and no options.
NO_HANDOVER: Final = Handover()
