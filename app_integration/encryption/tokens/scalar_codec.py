"""Types that contexts and values share: one code and one byte encoding for each.

The codes are part of the token format and never change their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

TEXT: Final = 1
BYTES: Final = 2
INTEGER: Final = 3
BOOLEAN: Final = 4
UNIQUE_ID: Final = 5


def encode_bytes(value: bytes) -> bytes:
    """Return *value* unchanged."""
    return value


def encode_integer(value: int) -> bytes:
    """Encode an integer in two's complement, big-endian, in the fewest bytes.

    0 is ``00``, and -128 is ``80``.
    """
    if value >= 0:  # a separate case without signed=True, which costs a third more time
        return value.to_bytes((value.bit_length() >> 3) + 1, "big")
    return value.to_bytes(((~value).bit_length() >> 3) + 1, "big", signed=True)


def encode_boolean(value: bool) -> bytes:
    """Encode true as ``01`` and false as ``00``."""
    return b"\x01" if value else b"\x00"


def encode_unique_id(value: UUID) -> bytes:
    """Encode a UUID as its 16 bytes, in the order of the printed form."""
    return value.bytes


def decode_integer(encoded: bytes) -> int:
    """Decode an integer that :func:`encode_integer` encoded."""
    value = int.from_bytes(encoded, "big", signed=True)
    if encode_integer(value) != encoded:
        raise ValueError
    return value


def decode_boolean(encoded: bytes) -> bool:
    """Decode a boolean that :func:`encode_boolean` encoded."""
    return (b"\x00", b"\x01").index(encoded) == 1


def decode_unique_id(encoded: bytes) -> UUID:
    """Decode a UUID that :func:`encode_unique_id` encoded."""
    return UUID(bytes=encoded)


#: Type code → decoder, for every type of this module.
DECODERS: Final[dict[int, Callable[[bytes], str | bytes | int | bool | UUID]]] = {
    TEXT: bytes.decode,
    BYTES: encode_bytes,
    INTEGER: decode_integer,
    BOOLEAN: decode_boolean,
    UNIQUE_ID: decode_unique_id,
}
