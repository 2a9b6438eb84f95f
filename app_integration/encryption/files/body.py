"""The body of an encrypted file: parts under a key of its own, each with its position."""

from __future__ import annotations

from typing import Final, NoReturn, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration.errors import raise_decryption_failed

#: Bytes that are read or written in place.
Buffer: TypeAlias = bytes | bytearray | memoryview

KEY_SIZE: Final = 32  # bytes
TAG_SIZE: Final = 16  # bytes

_PURPOSE: Final = b"strongroom file v1"
_NOT_LAST: Final = b"\x00"
_LAST: Final = b"\x01"


def derive_keys(file_key: bytes, salt: bytes, binding: bytes) -> tuple[bytes, bytes]:
    """Return the body key and the commitment of a file, 32 bytes each.

    No *salt* is used twice with one *file_key*.
    """
    info = _PURPOSE + binding
    derived = HKDF(algorithm=SHA256(), length=2 * KEY_SIZE, salt=salt, info=info).derive(file_key)
    return derived[:KEY_SIZE], derived[KEY_SIZE:]


class BodyCipher:
    """Encryption and decryption of the parts of one body. Thread-safe.

    The nonce of a part is its position and whether it is the last one, so a part that was moved,
    repeated or left out does not decrypt.
    """

    def __init__(self, body_key: bytes, aad: bytes) -> None:
        """Create the cipher of one file. *body_key* is used for this file only."""
        cipher = AESGCM(body_key)
        self._encrypt, self._encrypt_into = cipher.encrypt, cipher.encrypt_into
        self._decrypt, self._decrypt_into = cipher.decrypt, cipher.decrypt_into
        self._aad = aad

    def seal(self, position: int, plaintext: Buffer, *, last: bool = False) -> bytes:
        """Return the ciphertext and tag of a part. No position is used twice for writing."""
        return self._encrypt(_nonce(position, last), plaintext, self._aad)

    def seal_into(self, position: int, plaintext: Buffer, out: Buffer, *, last: bool) -> None:
        """Write the ciphertext and tag of a part to *out*, which is 16 bytes larger."""
        self._encrypt_into(_nonce(position, last), plaintext, self._aad, out)

    def open(self, position: int, sealed: Buffer, *, last: bool = False) -> bytes:
        """Return the plaintext of a part."""
        try:
            return self._decrypt(_nonce(position, last), sealed, self._aad)
        except (InvalidTag, ValueError):
            raise_decryption_failed("file")

    def open_into(self, position: int, sealed: Buffer, out: Buffer, *, last: bool) -> None:
        """Write the plaintext of a part to *out*, which is 16 bytes smaller."""
        try:
            self._decrypt_into(_nonce(position, last), sealed, self._aad, out)
        except (InvalidTag, ValueError):
            raise_decryption_failed("file")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("the key of a file cannot be pickled or copied; open the file again")


def _nonce(position: int, last: bool) -> bytes:
    return position.to_bytes(11, "big") + (_LAST if last else _NOT_LAST)
