"""The preamble of an encrypted file, which never changes and to which the body is bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256
from typing import Final

from app_integration.encryption.files.body import KEY_SIZE
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens.encryption_context import Context, ContextValue
from app_integration.errors import InvalidContext, raise_decryption_failed
from app_integration.names import Scope

SIZE: Final = 1024  # bytes

_MAGIC: Final = b"strongroom file\n\x01"
_BODY: Final = len(_MAGIC)
_SALT: Final = _BODY + 1
_COMMITMENT: Final = _SALT + KEY_SIZE
_LENGTH: Final = _COMMITMENT + KEY_SIZE
_CONTEXT: Final = _LENGTH + 2
MAX_CONTEXT: Final = SIZE - _CONTEXT  # bytes, encoded


class Body(IntEnum):
    """Types of a body."""

    CHUNKS = 1
    FRAMES = 2


@dataclass(frozen=True, slots=True)
class Preamble:
    """A parsed preamble."""

    body: Body
    salt: bytes
    bound: bytes
    commitment: bytes = bytes(KEY_SIZE)

    def encode(self) -> bytes:
        """Return the 1,024 bytes."""
        fixed = _MAGIC + bytes((self.body,)) + self.salt + self.commitment
        return (fixed + len(self.bound).to_bytes(2, "big") + self.bound).ljust(SIZE, b"\x00")

    @property
    def binding(self) -> bytes:
        """Return what the keys and every part of the body are bound to, 32 bytes."""
        return sha256(replace(self, commitment=bytes(KEY_SIZE)).encode()).digest()

    @property
    def context(self) -> Mapping[str, ContextValue]:
        """Return the context as a mapping. It is authentic only if the file key was unwrapped."""
        try:
            return contexts.decode(self.bound)
        except (LookupError, ValueError, InvalidContext):
            raise_decryption_failed("file")


def parse_preamble(encoded: bytes) -> Preamble:
    """Return the preamble that *encoded* is."""
    end = _CONTEXT + int.from_bytes(encoded[_LENGTH:_CONTEXT], "big")
    is_known = encoded.startswith(_MAGIC) and encoded[_BODY:_SALT] in (b"\x01", b"\x02")
    if len(encoded) != SIZE or not is_known or end > SIZE or any(encoded[end:]):
        raise_decryption_failed("file")
    return Preamble(
        Body(encoded[_BODY]),
        encoded[_SALT:_COMMITMENT],
        encoded[_CONTEXT:end],
        encoded[_COMMITMENT:_LENGTH],
    )


def bind(scope: Scope, context: Context | None) -> bytes:
    """Return the encoded context of a file: *context*, the service and the environment.

    Raises:
        InvalidContext: If *context* is invalid or too large, or has one of these two names itself.

    """
    own: dict[str, ContextValue] = {
        "service": scope.service,
        "environment": scope.environment.value,
    }
    if context:
        contexts.encode(context)  # here already, because what is no mapping has no keys
    if context and own.keys() & context.keys():
        raise InvalidContext(
            "the context of a file cannot have 'service' or 'environment', because every file is "
            "bound to them; leave them out"
        )
    encoded = contexts.encode({**own, **(context or {})})
    if len(encoded) > MAX_CONTEXT:
        raise InvalidContext(
            f"the context of a file cannot have {len(encoded)} bytes; use at most {MAX_CONTEXT}"
        )
    return encoded
