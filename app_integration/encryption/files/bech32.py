"""Bech32 (BIP 173), the text form of the keys of age."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_SIZE: Final = 6  # characters


def decode(text: str, prefix: str) -> bytes:
    """Return the bytes that *text* encodes after the lower-case *prefix* and ``1``.

    Raises ValueError if *text* has another prefix or a mistake. It is all lower-case or all
    upper-case.
    """
    lowered = text.lower()
    start, _, encoded = lowered.rpartition("1")
    if text not in {lowered, text.upper()} or start != prefix:
        raise ValueError
    values = [_ALPHABET.index(character) for character in encoded]
    if _polymod((*_expand(prefix), *values)) != 1:
        raise ValueError
    return _regroup(values[:-_CHECKSUM_SIZE])


def encode(data: bytes, prefix: str) -> str:
    """Return *data* in lower case, after *prefix* and ``1``. See :func:`decode`."""
    size, spare = -(-len(data) * 8 // 5), -len(data) * 8 % 5
    values = _split(int.from_bytes(data, "big") << spare, size)
    checksum = _polymod((*_expand(prefix), *values, *bytes(_CHECKSUM_SIZE))) ^ 1
    characters = (*values, *_split(checksum, _CHECKSUM_SIZE))
    return f"{prefix}1{''.join(_ALPHABET[each] for each in characters)}"


def _split(bits: int, size: int) -> list[int]:
    """Return *size* groups of five bits, the highest first."""
    return [bits >> 5 * place & 31 for place in reversed(range(size))]


def _expand(prefix: str) -> Iterable[int]:
    codes = [ord(character) for character in prefix]
    return (*(code >> 5 for code in codes), 0, *(code & 31 for code in codes))


def _polymod(values: Iterable[int]) -> int:
    """Return the BCH checksum of *values*, as BIP 173 defines it."""
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            checksum ^= generator if top >> place & 1 else 0
    return checksum


def _regroup(values: list[int]) -> bytes:
    """Return groups of five bits as bytes."""
    bits = 0
    for value in values:
        bits = bits << 5 | value
    size, spare = divmod(len(values) * 5, 8)
    if spare > 4 or bits & (1 << spare) - 1:  # noqa: PLR2004 (five bits are a group)
        raise ValueError
    return (bits >> spare).to_bytes(size, "big")
