"""One data key in use: what it encrypts with, what it commits to, and what it may still encrypt."""

from __future__ import annotations

import hmac
import threading
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration.encryption.envelope import Envelope, Frame
from app_integration.encryption.refusal import refuse

SIZE: Final = 32  # bytes
_INFO: Final = b"strongroom data key v2"


class DataKey:
    """A data key and its wrapped form.

    From the key, HKDF-SHA256 derives the encryption key and a commitment to it. Without the
    commitment one ciphertext can be made that opens under two keys to two different values.
    """

    __slots__ = ("_cipher", "_frames", "commitment", "wrapped")

    def __init__(self, key: bytes, wrapped: bytes) -> None:
        """Args: *key* is 32 random bytes, *wrapped* what the key service made of it."""
        derived = HKDF(algorithm=SHA256(), length=2 * SIZE, salt=None, info=_INFO).derive(key)
        self._cipher = AESGCM(derived[:SIZE])
        self._frames: dict[int, Frame] = {}
        self.commitment = derived[SIZE:]
        self.wrapped = wrapped

    def commits_to(self, commitment: bytes) -> bool:
        """Whether *commitment* is this key's, compared in constant time."""
        return hmac.compare_digest(self.commitment, commitment)

    def seal(self, value_type: int, plaintext: bytes, context: bytes, nonce: bytes) -> str:
        """The token; *nonce* is 12 bytes that this key has never seen."""
        frame = self._frames.get(value_type) or self._frame(value_type)
        sealed = self._cipher.encrypt(nonce, plaintext, frame.authenticated + context)
        return frame.token(nonce, sealed)

    def open(self, envelope: Envelope, context: bytes) -> bytes:
        """The plaintext.

        Raises:
            DecryptionFailed: not authentic under this key and *context*.
        """
        try:
            return self._cipher.decrypt(
                envelope.nonce, envelope.sealed, envelope.authenticated(context)
            )
        except InvalidTag:
            refuse()

    def _frame(self, value_type: int) -> Frame:
        frame = self._frames[value_type] = Frame(value_type, self.wrapped, self.commitment)
        return frame

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a data key can't be pickled or copied")


class Budget:
    """What one data key may still encrypt: messages, bytes and time."""

    __slots__ = ("_bytes", "_expires", "_lock", "_messages")

    def __init__(self, *, messages: int, size: int, expires: float) -> None:
        """Args: *size* in bytes; *expires* in seconds on the clock that :meth:`spend` is told."""
        self._messages = messages
        self._bytes = size
        self._expires = expires
        self._lock = threading.Lock()

    def spend(self, size: int, now: float) -> bool:
        """Take one message of *size* bytes at *now*; False, and nothing taken, when it is over."""
        with self._lock:
            if self._messages < 1 or self._bytes < size or now >= self._expires:
                return False
            self._messages -= 1
            self._bytes -= size
            return True
