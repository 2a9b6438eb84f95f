"""Keyring token: 33 bytes more than the value, with its wrapped data key stored elsewhere.

::

    type and suite u8 | data key id u32 | nonce 12 | ciphertext | tag 16

The first byte contains the value type's code minus one in its high half, and the suite in its low
half: 1 is AES-256-GCM, the only one so far. So a token of text begins with ``0x01`` and has the
layout of Tink's AES-GCM. The associated data is ``first five bytes | binding``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from app_integration.encryption.keys.data_key import DataKey
from app_integration.encryption.tokens import value_codec
from app_integration.errors import raise_decryption_failed

SUITE: Final = 1
HEADER: Final = 5  # bytes: type and suite, data key id
NONCE_END: Final = HEADER + 12
OVERHEAD: Final = NONCE_END + 16

_MAX_SIZE: Final = value_codec.MAX_SIZE + OVERHEAD


class KeyringToken(NamedTuple):
    """Unauthenticated parts of a token."""

    value_type: int
    number: int  # id of its data key
    header: bytes
    nonce: bytes
    sealed: bytes


def header(value_type: int, number: int) -> bytes:
    """Return the first five bytes of each token of this type under data key *number*."""
    return bytes((((value_type - 1) << 4) | SUITE,)) + number.to_bytes(4, "big")


def seal(key: DataKey, value_type: int, plaintext: bytes, binding: bytes, nonce: bytes) -> bytes:
    """Encrypt *plaintext* and return the token. *nonce* is 12 bytes that *key* never used."""
    first = key.headers.get(value_type) or make_header(key, value_type)
    return first + nonce + key.encrypt(nonce, plaintext, first + binding)


def make_header(key: DataKey, value_type: int) -> bytes:
    """Compute and cache the first five bytes of each token of this type under *key*."""
    first = key.headers[value_type] = header(value_type, key.number)
    return first


def parse_type(token: bytes) -> int:
    """Return the type code in *token*, without authenticating anything."""
    if not OVERHEAD <= len(token) <= _MAX_SIZE or token[0] & 0x0F != SUITE:
        raise_decryption_failed()
    value_type = (token[0] >> 4) + 1
    if value_type not in value_codec.DECODERS:
        raise_decryption_failed()
    return value_type


def parse(token: bytes) -> KeyringToken:
    """Split *token* into its parts, without authenticating anything.

    Raises:
        DecryptionFailed: If *token* does not have this layout.

    """
    value_type = parse_type(token)
    number = int.from_bytes(token[1:HEADER], "big")
    return KeyringToken(
        value_type, number, token[:HEADER], token[HEADER:NONCE_END], token[NONCE_END:]
    )
