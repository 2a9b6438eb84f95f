"""Names that fit where their length is limited, such as names of accounts."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_DIGITS: Final = 8  # of a digest


def shorten(name: str, limit: int) -> str:
    """Return *name* with *limit* characters at most. A longer one ends with a digest of it."""
    if len(name) <= limit:
        return name
    digest = sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: limit - _DIGITS - 1]}-{digest}"
