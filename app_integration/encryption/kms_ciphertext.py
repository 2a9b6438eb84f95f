"""KMS ciphertexts as wrapped keys: ``0 u32 | 2 u32 | key ARN length u8 | key ARN | ciphertext``.

A ciphertext of KMS is opaque, so the ARN of the key that made it is stored beside it. The first u32
is 0, which no version of a Transit key is, so the two services' wrapped keys can be told apart. The
second one is the format of the row, which an SDK without this service rejects by name.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from app_integration._internal.arns import is_key_arn

_MARK: Final = bytes(4) + (2).to_bytes(4, "big")
_ARN: Final = len(_MARK) + 1  # offset


class KmsCiphertext(NamedTuple):
    """Ciphertext of KMS, with the ARN of the key that made it."""

    key: str
    ciphertext: bytes

    def encode(self) -> bytes:
        """Return the wrapped key to store."""
        arn = self.key.encode("ascii")
        return _MARK + bytes((len(arn),)) + arn + self.ciphertext


def is_marked(wrapped: bytes) -> bool:
    """Return whether *wrapped* claims to be a wrapped key of KMS."""
    return wrapped.startswith(_MARK)


def parse(wrapped: bytes) -> KmsCiphertext | None:
    """Return what :meth:`KmsCiphertext.encode` encoded, or None for anything else."""
    if not is_marked(wrapped) or len(wrapped) <= _ARN:
        return None
    end = _ARN + wrapped[_ARN - 1]
    key = wrapped[_ARN:end].decode("latin-1")
    if not is_key_arn(key) or not wrapped[end:]:
        return None
    return KmsCiphertext(key, wrapped[end:])
