"""Token that was split into its parts, and the constants that decrypt others like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from app_integration.encryption.keys.cache import CachedKey
from app_integration.encryption.keys.data_key import DataKey
from app_integration.encryption.keys.keyring import KeyName, SelfContained
from app_integration.encryption.tokens import associated_data as bindings
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.errors import DecryptionFailed, raise_decryption_failed

Token: TypeAlias = str | bytes

#: Where the parts of self-contained tokens with the same start are, in the bytes after that start:
#: the bytes before the nonce, which they share too, and their place; the nonce's and the
#: ciphertext's place.
Layout: TypeAlias = tuple[bytes, slice, slice, slice]
#: The constants for decrypting tokens that share their start: the data key's entry in the cache,
#: its cipher, the value type's decoder and code, the associated data up to the binding, the same
#: with a binding to no declared field up to the only entry of the context, and the layout of a
#: self-contained token. They are plain tuples because unpacking named ones is slower.
Constants: TypeAlias = tuple[
    CachedKey,
    Callable[[bytes, bytes, bytes], bytes],
    Callable[[bytes], Any],
    int,
    bytes,
    bytes,
    Layout,
]
#: Characters or bytes of the largest token that constants may decrypt. The cipher takes most of the
#: time of a larger one, and only the slow path checks the exact limits.
LARGEST: Final = 2**16

_NO_LAYOUT: Final[Layout] = (b"", slice(0), slice(0), slice(0))


class ParsedToken(NamedTuple):
    """Unverified parts of a token, and the associated data that it must authenticate."""

    name: KeyName
    value_type: int
    nonce: bytes
    sealed: bytes
    aad: bytes

    def decrypt(self, key: DataKey) -> Any:
        """Decrypt the token with *key* and return its value."""
        return value_codec.decode(self.value_type, key.open(self.nonce, self.sealed, self.aad))

    @property
    def has_constants(self) -> bool:
        """Return whether tokens like this share a start. Those of version 2 are too rare."""
        return isinstance(self.name, int) or self.name.version == envelope.VERSION

    def make_constants(self, cached: CachedKey) -> tuple[Token, Constants]:
        """Return the start of all tokens of this key and type, and what decrypts them."""
        key, code = cached.key, self.value_type
        start: Token
        if isinstance(self.name, int):
            start = aad = key.headers.get(code) or keyring_token.make_header(key, code)
            layout = _NO_LAYOUT
        else:
            aad, start, before = key.frames.get(code) or envelope.make_frame(key, code)
            nonce = len(before)
            sealed = nonce + envelope.NONCE
            layout = (before, slice(nonce), slice(nonce, sealed), slice(sealed, None))
        decode, one_entry = value_codec.DECODERS[code], aad + bindings.ONE_ENTRY
        return start, (cached, key.decrypt, decode, code, aad, one_entry, layout)


def parse_token(token: object, binding: bytes) -> ParsedToken:
    """Split *token* into its parts, without verifying anything."""
    if isinstance(token, bytes | bytearray | memoryview):
        keyring_parts = keyring_token.parse(bytes(token))
        aad = keyring_parts.header + binding
        return ParsedToken(
            keyring_parts.number,
            keyring_parts.value_type,
            keyring_parts.nonce,
            keyring_parts.sealed,
            aad,
        )
    parts = envelope.parse(token)
    if parts.version == envelope.VERSION:
        aad = parts.get_associated_data() + binding
    elif binding.startswith(bindings.NO_FIELD):
        aad = parts.get_associated_data() + binding[len(bindings.NO_FIELD) :]
    else:
        raise_decryption_failed()
    name = SelfContained(parts.version, parts.wrapped, parts.commitment)
    return ParsedToken(name, parts.value_type, parts.nonce, parts.sealed, aad)


def parse_token_or_none(token: object, binding: bytes) -> ParsedToken | None:
    """Split *token* into its parts, or return None if it is malformed. See :func:`parse_token`."""
    try:
        return parse_token(token, binding)
    except DecryptionFailed:
        return None
