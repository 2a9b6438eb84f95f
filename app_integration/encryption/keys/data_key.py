"""One data key in use: what it encrypts with, and what it commits to."""

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

#: Version of a self-contained token → the purpose of its data keys: what a derived key is for. Keys
#: of two token formats have nothing in common.
TEXT_PURPOSES: Final = {2: b"strongroom data key v2", 3: b"strongroom data key v3"}
TEXT_VERSION: Final = 3  # that is written
_KEYRING_V1: Final = b"strongroom keyring v1"


def keyring_purpose(number: int) -> bytes:
    """The purpose of the keyring's data key *number*; under another it derives other keys."""
    return _KEYRING_V1 + number.to_bytes(4, "big")


class DataKey:
    """A data key and its wrapped form.

    From the key, HKDF-SHA256 derives the encryption key and a commitment to it. Without the
    commitment one ciphertext can be made that opens under two keys to two different values.

    Attributes:
        encrypt: AES-256-GCM: nonce (12 bytes that this key has never seen), plaintext, additional
            data → ciphertext and tag.
        decrypt: the reverse, which raises ``InvalidTag``.
        commitment: 32 bytes, public.
        wrapped: what the key service made of it, public.
        number: of a keyring's key its id; 0 for a key that travels in its tokens.

    """

    __slots__ = ("commitment", "decrypt", "encrypt", "frames", "headers", "number", "wrapped")

    def __init__(self, key: bytes, wrapped: bytes, purpose: bytes, number: int = 0) -> None:
        """Args: *key* is 32 random bytes; *purpose* one of this module's."""
        derived = bytearray(2 * SIZE)
        HKDF(algorithm=SHA256(), length=2 * SIZE, salt=None, info=purpose).derive_into(key, derived)
        cipher = AESGCM(memoryview(derived)[:SIZE])
        self.encrypt = cipher.encrypt
        self.decrypt = cipher.decrypt
        self.commitment = bytes(derived[SIZE:])
        derived[:] = bytes(2 * SIZE)
        self.wrapped = wrapped
        self.number = number
        #: Value type → what all its text tokens share, filled by the envelope.
        self.frames: dict[int, tuple[bytes, str, bytes]] = {}
        #: The same for keyring tokens: their first bytes.
        self.headers: dict[int, bytes] = {}

    def commits_to(self, commitment: bytes) -> bool:
        """Whether *commitment* is this key's, compared in constant time."""
        return hmac.compare_digest(self.commitment, commitment)

    def open(self, nonce: bytes, sealed: bytes, additional: bytes) -> bytes:
        """The plaintext of *sealed*, which is ciphertext and tag.

        Raises:
            DecryptionFailed: not authentic under this key and *additional* data.

        """
        try:
            return self.decrypt(nonce, sealed, additional)
        except (InvalidTag, ValueError):
            raise_decryption_failed()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a data key can't be pickled or copied")
