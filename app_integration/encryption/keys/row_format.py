"""Format of one row of stored keys, in the first bytes of its wrapped key.

A wrapped key of format 1 begins with the version of the key that wrapped it, which is never 0. A
row of a newer format has a 0 there, and then its format: ``0 u32 | format u32``. So a table needs
no other column for it, and no migration, and a copied row keeps its number.
"""

from __future__ import annotations

from typing import Final

from app_integration._internal import formats
from app_integration.errors import KeyUnavailable

_NO_VERSION: Final = bytes(4)
_END: Final = 8  # of the format


def check_row_format(wrapped: bytes, place: str, row: object) -> None:
    """Raise KeyUnavailable if this version cannot read the row with the key *wrapped*."""
    if wrapped[:4] != _NO_VERSION:
        return
    found = int.from_bytes(wrapped[4:_END], "big")
    # A wrapped key of zeros is a damaged one of format 1, which cannot be unwrapped.
    refusal = formats.KEYS.describe_refusal(found) if found else None
    if refusal is not None:
        raise KeyUnavailable(f"{place}: row {row} {refusal}")
