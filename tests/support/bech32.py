"""Bech32 of BIP 173, in which age writes its keys."""

from __future__ import annotations

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
CHECKSUM = 6


def encode(prefix: str, data: bytes) -> str:
    """Return *data* in lower case, after *prefix* and the separator."""
    padding = -len(data) * 8 % 5
    number, count = int.from_bytes(data) << padding, (len(data) * 8 + padding) // 5
    values = _digits(number, count)
    remainder = _remainder([*_expanded(prefix), *values, *bytes(CHECKSUM)]) ^ 1
    return f"{prefix}1" + "".join(ALPHABET[each] for each in values + _digits(remainder, CHECKSUM))


def decode(prefix: str, text: str) -> bytes:
    """Return the bytes that *text* contains after *prefix*."""
    if text not in {text.lower(), text.upper()}:
        raise ValueError("upper and lower case are mixed")
    found, _, encoded = text.lower().rpartition("1")
    values = [ALPHABET.index(each) for each in encoded]
    if found != prefix or len(values) < CHECKSUM:
        raise ValueError("another prefix, or no checksum")
    if _remainder([*_expanded(prefix), *values]) != 1:
        raise ValueError("the checksum is wrong")
    number = 0
    for value in values[:-CHECKSUM]:
        number = number << 5 | value
    size, padding = divmod(5 * (len(values) - CHECKSUM), 8)
    if padding >= len("12345") or number & ((1 << padding) - 1):
        raise ValueError("the padding is wrong")
    return (number >> padding).to_bytes(size)


def _digits(number: int, count: int) -> list[int]:
    return [number >> shift & 31 for shift in range(5 * (count - 1), -1, -5)]


def _expanded(prefix: str) -> list[int]:
    return [*(ord(each) >> 5 for each in prefix), 0, *(ord(each) & 31 for each in prefix)]


def _remainder(values: list[int]) -> int:
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(GENERATOR):
            remainder ^= generator if top >> bit & 1 else 0
    return remainder
