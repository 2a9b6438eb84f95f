"""Data keys wrapped by a branch key: ``0 u32 | 3 u32 | branch u32 | nonce | ciphertext and tag``.

*branch* is the number of the row with the branch key, in the same store. The first u32 is 0, as for
KMS, and the second is the format of the row, so an SDK without branch keys rejects it by name.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_MARK: Final = bytes(4) + (3).to_bytes(4, "big")
_BRANCH: Final = len(_MARK) + 4  # end of the branch's number
NONCE: Final = 12  # bytes
_SEALED: Final = _BRANCH + NONCE  # offset
_LENGTH: Final = _SEALED + 32 + 16  # bytes, with the data key and the tag


class BranchCiphertext(NamedTuple):
    """A data key that the branch key with the number *branch* wrapped."""

    header: bytes
    branch: int
    nonce: bytes
    sealed: bytes


def header(branch: int) -> bytes:
    """Return the start of what the branch key *branch* wraps, which it authenticates."""
    return _MARK + branch.to_bytes(4, "big")


def is_marked(wrapped: bytes) -> bool:
    """Return whether *wrapped* claims to be wrapped by a branch key."""
    return wrapped.startswith(_MARK)


def parse(wrapped: bytes) -> BranchCiphertext | None:
    """Return the parts of *wrapped*, or None if no branch key wrapped it."""
    if not is_marked(wrapped) or len(wrapped) != _LENGTH:
        return None
    branch = int.from_bytes(wrapped[len(_MARK) : _BRANCH], "big")
    return BranchCiphertext(wrapped[:_BRANCH], branch, wrapped[_BRANCH:_SEALED], wrapped[_SEALED:])
