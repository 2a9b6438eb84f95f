"""The types a context and a value share: one code and one byte encoding each.

The codes are part of the token format and never change their meaning.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

TEXT: Final = 1
BYTES: Final = 2
INTEGER: Final = 3
BOOLEAN: Final = 4
UNIQUE_ID: Final = 5


def encode_bytes(value: bytes) -> bytes:
    """The bytes themselves."""
    return value


def encode_integer(value: int) -> bytes:
    """Two's complement, big-endian, in as few bytes as hold it: 0 is ``00``, -128 is ``80``."""
    if value >= 0:  # without the keyword, which costs a third
        return value.to_bytes((value.bit_length() >> 3) + 1, "big")
    return value.to_bytes(((~value).bit_length() >> 3) + 1, "big", signed=True)


def encode_boolean(value: bool) -> bytes:
    """``01`` for true, ``00`` for false."""
    return b"\x01" if value else b"\x00"


def encode_unique_id(value: UUID) -> bytes:
    """Its 16 bytes, in the order of the printed form."""
    return value.bytes


def decode_integer(encoded: bytes) -> int:
    """The reverse of :func:`encode_integer`.

    Raises:
        ValueError: more bytes than needed, or none.

    """
    value = int.from_bytes(encoded, "big", signed=True)
    if encode_integer(value) != encoded:
        raise ValueError
    return value


def decode_boolean(encoded: bytes) -> bool:
    """The reverse of :func:`encode_boolean`.

    Raises:
        ValueError: neither ``00`` nor ``01``.

    """
    return (b"\x00", b"\x01").index(encoded) == 1


def decode_unique_id(encoded: bytes) -> UUID:
    """The reverse of :func:`encode_unique_id`.

    Raises:
        ValueError: not 16 bytes.

    """
    return UUID(bytes=encoded)
