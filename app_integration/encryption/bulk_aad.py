"""Associated data for many rows, computed column by column.

The bytes are those that :mod:`.tokens.associated_data` produces for each row. A few calls work on
whole columns here, so that no Python code runs for a single row.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import add, attrgetter, itemgetter
from typing import Any, Final
from uuid import UUID

from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens.associated_data import Binding
from app_integration.encryption.tokens.keyring_token import HEADER
from app_integration.errors import InvalidContext

_UUID: Final = 16  # bytes
_number_of: Final = attrgetter("int")
header_of: Final = itemgetter(slice(HEADER))


def compute_aads(
    binding: Binding, header: bytes | list[bytes], columns: Sequence[Sequence[Any]], rows: int
) -> Iterator[bytes]:
    """Return the associated data ``header | binding`` of each row."""
    if len(columns) == 1:
        size = _common_size(columns[0])
        if size:
            head = binding.start + binding.integer_heads()[size]
            return _integers(header, head, columns[0], size)
        if isinstance(header, bytes) and set(map(type, columns[0])) == {UUID}:
            return _unique_ids(header + binding.start, binding.names[0], columns[0])
    starts = repeat(header, rows) if isinstance(header, bytes) else header
    entries = [_entries(binding.names[at], columns[at]) for at in binding.order]
    return map(b"".join, zip(starts, repeat(binding.start), *entries))


def split(size: int, raw: bytes | bytearray) -> Iterator[bytes]:
    """Split *raw* into pieces of *size* bytes."""
    return chain.from_iterable(struct.iter_unpack(f"{size}s", raw))


def _common_size(column: Sequence[Any]) -> int:
    """Return the length in bytes of each integer in *column*.

    Returns 0 if the column contains another type, integers of different lengths, or integers that
    do not fit into 8 bytes.
    """
    if set(map(type, column)) != {int}:
        return 0
    low, high = min(column), max(column)
    size = _size(high)
    # Numbers between two of the same length and sign have that length too. A column with both signs
    # contains numbers around 0 of one byte, so its length is common only if it is 1.
    if size != _size(low) or size > array("q").itemsize or (low < 0 <= high and size > 1):
        return 0
    return size


def _size(number: int) -> int:
    """Return the length of *number* in two's complement, in bytes."""
    return ((number if number >= 0 else ~number).bit_length() >> 3) + 1


def _integers(
    header: bytes | list[bytes], head: bytes, column: Sequence[int], size: int
) -> Iterator[bytes]:
    """Return the associated data of rows whose context is one integer each.

    It fills one buffer for all rows, one byte position of all rows at a time, and then splits it.
    """
    numbers = array("q", column)
    if sys.byteorder == "little":
        numbers.byteswap()
    raw, width = numbers.tobytes(), numbers.itemsize
    start = header if isinstance(header, bytes) else header[0]
    length = len(start) + len(head) + size
    rows = bytearray((start + head + bytes(size)) * len(column))
    for at in range(size):
        rows[length - size + at :: length] = raw[width - size + at :: width]
    if not isinstance(header, bytes):
        joined = b"".join(header)
        for at in range(len(start)):
            rows[at::length] = joined[at :: len(start)]
    return split(length, rows)


def _unique_ids(start: bytes, name: str, column: Sequence[UUID]) -> Iterator[bytes]:
    """Return the associated data of rows whose context is one UUID each, after *start*."""
    head = contexts.get_entry_heads(name, UUID)[_UUID]
    to_bytes: Any = int.to_bytes
    encoded = map(to_bytes, map(_number_of, column), repeat(_UUID), repeat("big"))
    return map((start + head).__add__, encoded)


def _entries(name: str, column: Sequence[Any]) -> Iterable[bytes]:
    """Return the encoded context entry *name* of each row."""
    kinds = set(map(type, column))
    if len(kinds) == 1:
        try:
            (kind,) = kinds
            heads, encode = contexts.get_entry_heads(name, kind), contexts.KINDS[kind][1]
            encoded = list(map(encode, column))
            return list(map(add, map(heads.__getitem__, map(len, encoded)), encoded))
        except contexts.REFUSED:
            pass  # the loop below finds the invalid row and names it
    return [_entry(name, row, value) for row, value in enumerate(column)]


def _entry(name: str, row: int, value: object) -> bytes:
    try:
        return contexts.encode_entry(name, value)
    except InvalidContext as error:
        raise InvalidContext(f"item {row}: {error}") from None
