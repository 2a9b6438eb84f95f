"""One data key in use: its ciphers, and its commitment."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration.errors import raise_decryption_failed

SIZE: Final = 32  # bytes

MAX_WRAPPED: Final = 1024  # bytes of one wrapped data key

#: Version of a self-contained token → the purpose of its data keys. HKDF derives the keys for a
#: purpose, so keys of two token formats are unrelated.
TEXT_PURPOSES: Final = {2: b"strongroom data key v2", 3: b"strongroom data key v3"}
TEXT_VERSION: Final = 3  # the version that is written
_KEYRING_V1: Final = b"strongroom keyring v1"


def keyring_purpose(number: int) -> bytes:
    """Return the purpose of the keyring's data key *number*; each number derives other keys."""
    return _KEYRING_V1 + number.to_bytes(4, "big")


class DataKey:
    """A data key and its wrapped form.

    HKDF-SHA256 derives the key for AES-256-GCM, and a commitment, without which one ciphertext
    could decrypt to different values under two keys. *encrypt* needs a nonce that this key never
    used. *number* is 0 for a key that its tokens contain.
    """

    __slots__ = ("commitment", "decrypt", "encrypt", "frames", "headers", "number", "wrapped")

    def __init__(self, key: bytes, wrapped: bytes, purpose: bytes, number: int = 0) -> None:
        """Derive the encryption key and the commitment."""
        derived = bytearray(2 * SIZE)
        HKDF(algorithm=SHA256(), length=2 * SIZE, salt=None, info=purpose).derive_into(key, derived)
        cipher = AESGCM(memoryview(derived)[:SIZE])
        self.encrypt = cipher.encrypt
        self.decrypt = cipher.decrypt
        self.commitment = bytes(derived[SIZE:])
        derived[:] = bytes(2 * SIZE)
        self.wrapped = wrapped
        self.number = number
        #: Value type → the parts that all its self-contained tokens share, cached by ``envelope``.
        self.frames: dict[int, tuple[bytes, str, bytes]] = {}
        #: Value type → the header that all its keyring tokens share, cached by ``keyring_token``.
        self.headers: dict[int, bytes] = {}

    def commits_to(self, commitment: bytes) -> bool:
        """Return whether *commitment* is this key's, comparing in constant time."""
        return hmac.compare_digest(self.commitment, commitment)

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt *sealed*, which is ciphertext and tag."""
        try:
            return self.decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError):
            raise_decryption_failed()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a data key cannot be pickled or copied; unwrap it in each process")
