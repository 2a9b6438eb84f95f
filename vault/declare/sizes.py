"""Sizes in bytes, as people read them."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")
_STEP: Final = 1000


def render(count: int) -> str:
    """Return a number of bytes for people: ``1.2 MB``."""
    power = min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    return f"{count / _STEP**power:.{min(power, 1)}f} {_UNITS[power]}"
