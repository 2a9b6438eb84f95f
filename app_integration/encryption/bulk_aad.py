"""What the tokens of many rows authenticate, made for all of them at once.

The bytes are those of :mod:`.tokens.associated_data`, row by row; here they come out of few calls
that each work on a whole column, so that no Python code runs for a single row.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import add, itemgetter
from typing import Any, Final

from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens.associated_data import Binding
from app_integration.encryption.tokens.keyring_token import HEADER
from app_integration.errors import InvalidContext

header_of: Final = itemgetter(slice(HEADER))


def additional(
    binding: Binding, first: bytes | list[bytes], columns: Sequence[Sequence[Any]], rows: int
) -> Iterator[bytes]:
    """``first | binding`` of each row.

    Args:
        binding: of the field.
        first: what comes before the binding: for all rows, or of each (all of one length).
        columns: the context's values, one sequence for each name.
        rows: how many.

    Raises:
        InvalidContext: a value that can't be bound.

    """
    if len(columns) == 1:
        size = _common_size(columns[0])
        if size:
            head = binding.start + binding.integer_heads()[size]
            return _integers(first, head, columns[0], size)
    starts = repeat(first, rows) if isinstance(first, bytes) else first
    entries = [_entries(binding.names[at], columns[at]) for at in binding.order]
    return map(b"".join, zip(starts, repeat(binding.start), *entries))


def cut(size: int, raw: bytes | bytearray) -> Iterator[bytes]:
    """*raw* in pieces of *size* bytes."""
    return chain.from_iterable(struct.iter_unpack(f"{size}s", raw))


def _common_size(column: Sequence[Any]) -> int:
    """The bytes of each whole number in *column*, when all are such of one size; or 0."""
    if set(map(type, column)) != {int}:
        return 0
    low, high = min(column), max(column)
    size = _size(high)
    # The numbers between two of one size and sign are of that size; around 0 they are of one byte.
    if size != _size(low) or size > array("q").itemsize or (low < 0 <= high and size > 1):
        return 0
    return size


def _size(number: int) -> int:
    """Bytes of its two's complement."""
    return ((number if number >= 0 else ~number).bit_length() >> 3) + 1


def _integers(
    first: bytes | list[bytes], head: bytes, column: Sequence[int], size: int
) -> Iterator[bytes]:
    """Rows in one buffer, filled a byte of all rows at a time, and cut."""
    numbers = array("q", column)
    if sys.byteorder == "little":
        numbers.byteswap()
    raw, width = numbers.tobytes(), numbers.itemsize
    shared = first if isinstance(first, bytes) else first[0]
    length = len(shared) + len(head) + size
    rows = bytearray((shared + head + bytes(size)) * len(column))
    for at in range(size):
        rows[length - size + at :: length] = raw[width - size + at :: width]
    if not isinstance(first, bytes):
        joined = b"".join(first)
        for at in range(len(shared)):
            rows[at::length] = joined[at :: len(shared)]
    return cut(length, rows)


def _entries(name: str, column: Sequence[Any]) -> Iterable[bytes]:
    """The context's entry *name* of each row."""
    if set(map(type, column)) == {str}:
        heads = contexts.heads_of(name, str)
        try:
            encoded = list(map(str.encode, column))
            return list(map(add, map(heads.__getitem__, map(len, encoded)), encoded))
        except (LookupError, ValueError):
            pass  # the one that is wrong is found below, and named
    return [_entry(name, row, value) for row, value in enumerate(column)]


def _entry(name: str, row: int, value: object) -> bytes:
    try:
        return contexts.entry(name, value)
    except InvalidContext as error:
        raise InvalidContext(f"item {row}: {error}") from None
